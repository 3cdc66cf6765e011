// SPDX-License-Identifier: Apache-2.0
import Compute
import Examples
import LanguageModels
import Randomness
import Records
import Testing

/// Bytes that stay in place as long as the object lives.
private final class Weights: @unchecked Sendable {
  var blocks: [UnsafeMutableRawBufferPointer] = []
  deinit { for block in blocks { block.deallocate() } }
}

/// A one-layer Llama of random weights with LoRA of rank 2 on four projections; B is not zero.
enum TinyModel {
  static let config = DecoderConfig(
    family: "test", vocabularySize: 13, hiddenSize: 8, intermediateSize: 12, layerCount: 1,
    headCount: 2, keyValueHeadCount: 1, headSize: 4, maximumContext: 64, normEpsilon: 1e-5,
    hasTiedHead: true, attentionScale: 0.5, windows: [nil],
    ropes: [RopeConfig(theta: 100, rotarySize: 4)], ropeOfLayer: [0],
    modules: DecoderConfig.separateModules(
      attentionWidth: 8, keyValueWidth: 4, hiddenSize: 8, intermediateSize: 12))

  static func make(on device: any Device = ReferenceDevice()) throws -> LanguageModel {
    let held = Weights()
    var tensors: [StoredTensor] = []
    var stream = Seed(3).stream("tiny-model")
    func add(_ name: String, _ shape: [Int], offset: Float = 0) {
      var values = [Float](repeating: 0, count: shape.reduce(1, *))
      values.withUnsafeMutableBufferPointer { stream.fillUniform($0, bound: 0.5) }
      let block = UnsafeMutableRawBufferPointer.allocate(
        byteCount: values.count * 4, alignment: 64)
      values.map { $0 + offset }.withUnsafeBytes { block.copyMemory(from: $0) }
      held.blocks.append(block)
      tensors.append(
        StoredTensor(
          name: name, shape: shape, format: .float32, bytes: UnsafeRawBufferPointer(block)))
    }
    add("model.embed_tokens.weight", [config.vocabularySize, config.hiddenSize])
    add("model.norm.weight", [config.hiddenSize], offset: 1)
    let prefix = "model.layers.0."
    for norm in ["input_layernorm", "post_attention_layernorm"] {
      add(prefix + norm + ".weight", [config.hiddenSize], offset: 1)
    }
    for module in config.modules {
      add(
        prefix + module.name + ".weight",
        [module.outputs, config.inputs(of: module.stage)])
    }
    var settings = LoRASettings()
    settings.rank = 2
    settings.alpha = 3
    settings.targets = .named(["q_proj", "v_proj", "o_proj", "down_proj"])
    let model = try LanguageModel(
      config: config, store: try TensorStore(path: "memory", tensors: tensors, owner: held),
      modules: try settings.modules(of: config), device: device)
    model.initialise(seed: Seed(1))
    let lora = try #require(model.lora)
    for (index, module) in lora.modules.enumerated() {
      var draws = Seed(2).stream("b", module.path)
      var values = [Float](repeating: 0, count: module.outputs * module.rank)
      values.withUnsafeMutableBufferPointer { draws.fillUniform($0, bound: 0.3) }
      lora.write(b: values, at: index)
    }
    return model
  }

  /// `count` records of 4 to 9 tokens.
  static func records(_ count: Int, seed: UInt64 = 5) -> ExampleSet {
    var set = ExampleSet()
    for index in 0..<count {
      var stream = Seed(seed).stream("record", "\(index)")
      let length = 4 + stream.integer(below: 6)
      let tokens = (0..<length).map { _ in Int32(stream.integer(below: config.vocabularySize)) }
      set.append(
        Example(tokens: tokens, isTarget: tokens.map { _ in true }, context: 64),
        at: RecordLocation(file: "x", line: index + 1))
    }
    return set
  }
}
