// SPDX-License-Identifier: Apache-2.0
package import Adapters
import Compute
import GGUF
package import Streams

/// An adapter as llama.cpp takes it (`--lora`): a GGUF file whose tensors are named after those of the
/// base model's GGUF file, with `.lora_a` [rank, in] and `.lora_b` [out, rank] behind.
///
/// llama.cpp scales each module by alpha / rank, with one alpha for the file and the rank of the
/// tensor at hand. So alpha is that of the first module, times √rank under rsLoRA, and where another
/// module's scale · rank differs, the ratio goes into its B. Rows of B of q and k are interleaved where
/// llama.cpp's converter interleaves those of the weights.
package enum GGUFAdapter {
  /// Writes `adapter` for the model `base`, of which only settings and names are used.
  ///
  /// - Returns: the number of bytes.
  /// - Throws: ``ModelError/unsupportedAdapter(field:value:)`` for DoRA, which the format has no place
  ///   for; ``ModelError/adapterMismatch(module:expected:found:)``; ``ModelError/stream(_:)``.
  @discardableResult
  package static func write(
    _ adapter: Adapter, base: BaseModel, to sink: OutputSink
  ) throws(ModelError) -> Int {
    if adapter.config.isDecomposed {
      throw .unsupportedAdapter(field: "use_dora", value: "true (in GGUF; --merge can write it)")
    }
    let modules = try LoRAModule.modules(of: adapter, config: base.config)
    let alpha = modules.first.map { Double($0.scale) * Double($0.rank) } ?? 1
    var tensors: [GGUFOutputTensor] = []
    for module in modules {
      let linear = base.config.modules[module.module]
      guard let found = adapter[module.path],
        let name = tensorName(layer: module.layer, module: linear.name)
      else {
        throw .adapterMismatch(
          module: module.path, expected: "a module with a name in GGUF files", found: "none")
      }
      let factor = Float(Double(module.scale) * Double(module.rank) / alpha)
      tensors.append(
        GGUFOutputTensor(
          name: name + ".lora_a", shape: [module.rank, module.inputs], values: found.loraA))
      tensors.append(
        GGUFOutputTensor(
          name: name + ".lora_b", shape: [module.outputs, module.rank],
          values: rows(
            factor == 1 ? found.loraB : found.loraB.map { $0 * factor }, width: module.rank,
            order: order(of: module.path, base))))
    }
    do {
      return try GGUFWriter.write(
        metadata: [
          ("general.type", .text("adapter")),
          ("general.architecture", .text(base.ggufArchitecture)),
          ("general.name", .text(adapter.config.baseModelName ?? "adapter")),
          ("adapter.type", .text("lora")),
          ("adapter.lora.alpha", .float32(Float(alpha))),
        ], tensors: tensors, to: sink)
    } catch {
      throw .stream(error)
    }
  }

  /// `self_attn.q_proj` of layer 3 is `blk.3.attn_q.weight`.
  static func tensorName(layer: Int, module: String) -> String? {
    let name: String
    switch AdapterNaming.suffix(of: module) {
    case "q_proj": name = "attn_q"
    case "k_proj": name = "attn_k"
    case "v_proj": name = "attn_v"
    case "qkv_proj": name = "attn_qkv"
    case "o_proj": name = "attn_output"
    case "gate_proj": name = "ffn_gate"
    case "up_proj", "gate_up_proj": name = "ffn_up"
    case "down_proj": name = "ffn_down"
    default: return nil
    }
    return "blk.\(layer).\(name).weight"
  }

  private static func order(of path: String, _ base: BaseModel) -> RowOrder {
    let isRotated = path.hasSuffix(".q_proj") || path.hasSuffix(".k_proj")
    return base.ggufInterleavesHeads && isRotated
      ? .interleavedHeads(headSize: base.config.headSize) : .natural
  }

  /// The rows of a matrix at the places where a file in `order` keeps them.
  private static func rows(_ values: [Float], width: Int, order: RowOrder) -> [Float] {
    if order == .natural { return values }
    var result = values
    for row in 0..<values.count / max(1, width) {
      let place = order.fileRow(of: row) * width
      for column in 0..<width { result[place + column] = values[row * width + column] }
    }
    return result
  }
}
