// SPDX-License-Identifier: Apache-2.0
import Compute
import LanguageModels
import Randomness

/// Bytes that stay in place as long as the object lives, for tensors made by tests.
final class HeldBytes: @unchecked Sendable {
  private var blocks: [UnsafeMutableRawBufferPointer] = []

  func hold(_ values: [Float]) -> UnsafeRawBufferPointer {
    let block = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(4, values.count * 4), alignment: 64)
    values.withUnsafeBytes { block.copyMemory(from: $0) }
    blocks.append(block)
    return UnsafeRawBufferPointer(rebasing: block[..<(values.count * 4)])
  }

  deinit { for block in blocks { block.deallocate() } }
}

/// A tiny decoder of random weights, of any flags, without files.
struct MemoryModel {
  var config: DecoderConfig
  let held = HeldBytes()
  var tensors: [StoredTensor] = []

  /// All tensors that `config` asks for.
  init(_ config: DecoderConfig, seed: UInt64 = 3) {
    self.config = config
    var stream = Seed(seed).stream("memory-model")
    func add(_ name: String, _ shape: [Int], scale: Float, offset: Float = 0) {
      var values = [Float](repeating: 0, count: shape.reduce(1, *))
      values.withUnsafeMutableBufferPointer { stream.fillUniform($0, bound: scale) }
      tensors.append(
        StoredTensor(
          name: name, shape: shape, format: .float32,
          bytes: held.hold(values.map { $0 + offset })))
    }
    let hidden = config.hiddenSize
    func addNorm(_ name: String, _ count: Int) {
      add(name + ".weight", [count], scale: 0.3, offset: 1 - config.normOffset)
    }
    add("model.embed_tokens.weight", [config.vocabularySize, hidden], scale: 0.8)
    if !config.hasTiedHead { add("lm_head.weight", [config.vocabularySize, hidden], scale: 0.4) }
    addNorm("model.norm", hidden)
    for layer in 0..<config.layerCount {
      let prefix = "model.layers.\(layer)."
      addNorm(prefix + "input_layernorm", hidden)
      addNorm(prefix + "post_attention_layernorm", hidden)
      if config.hasSandwichNorms {
        addNorm(prefix + "pre_feedforward_layernorm", hidden)
        addNorm(prefix + "post_feedforward_layernorm", hidden)
      }
      if config.hasHeadNorms {
        addNorm(prefix + "self_attn.q_norm", config.headSize)
        addNorm(prefix + "self_attn.k_norm", config.headSize)
      }
      for module in config.modules {
        let inputs = config.inputs(of: module.stage)
        add(prefix + module.name + ".weight", [module.outputs, inputs], scale: 0.5)
        if module.hasBias { add(prefix + module.name + ".bias", [module.outputs], scale: 0.3) }
      }
    }
  }

  func store() throws -> TensorStore {
    try TensorStore(path: "memory", tensors: tensors, owner: held)
  }

  /// Two layers of a Llama with grouped keys.
  static var plain: DecoderConfig {
    DecoderConfig(
      family: "test", vocabularySize: 23, hiddenSize: 12, intermediateSize: 20, layerCount: 2,
      headCount: 4, keyValueHeadCount: 2, headSize: 6, maximumContext: 64, normEpsilon: 1e-5,
      hasTiedHead: true, attentionScale: 0.4, windows: [nil, nil],
      ropes: [RopeConfig(theta: 100, rotarySize: 6)], ropeOfLayer: [0, 0],
      modules: DecoderConfig.separateModules(
        attentionWidth: 24, keyValueWidth: 12, hiddenSize: 12, intermediateSize: 20))
  }

  /// Every flag at once: what Gemma, Qwen, Phi-3 and SmolLM3 have between them.
  static var everyFlag: DecoderConfig {
    var config = plain
    config.hasTiedHead = false
    config.normOffset = 1
    config.embeddingScale = 1.7
    config.activation = .geluTanh
    config.attentionSoftcap = 3
    config.logitSoftcap = 2
    config.logitScale = 0.7
    config.hasHeadNorms = true
    config.hasSandwichNorms = true
    config.windows = [3, nil]
    config.ropes = [RopeConfig(theta: 100, rotarySize: 4), RopeConfig(theta: 10, rotarySize: 6)]
    config.ropeOfLayer = [nil, 1]
    config.modules = [
      LinearModule(
        "self_attn.qkv_proj", stage: .attentionInput,
        parts: [
          .init(projection: .query, rows: 24), .init(projection: .key, rows: 12),
          .init(projection: .value, rows: 12),
        ], hasBias: true),
      LinearModule(
        "self_attn.o_proj", stage: .attentionOutput,
        parts: [.init(projection: .output, rows: 12)], hasBias: true),
      LinearModule(
        "mlp.gate_up_proj", stage: .feedForwardInput,
        parts: [.init(projection: .gate, rows: 20), .init(projection: .up, rows: 20)]),
      LinearModule(
        "mlp.down_proj", stage: .feedForwardOutput,
        parts: [.init(projection: .down, rows: 12)]),
    ]
    return config
  }
}
