// SPDX-License-Identifier: Apache-2.0
import Compute
import LanguageModels
import Safetensors
import Streams
import Testing
import TestSupport

/// A golden model written as GGUF, the way llama.cpp's converter lays it out.
@Suite struct GGUFModelTests {
  private struct Writer {
    var bytes: [UInt8] = []
    mutating func number<T: FixedWidthInteger>(_ value: T) {
      withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
    }
    mutating func text(_ value: String) {
      number(UInt64(value.utf8.count))
      bytes += value.utf8
    }
    mutating func pad() { while bytes.count % 32 != 0 { bytes.append(0) } }
  }

  /// HF row h·D + s·D/2 + i is GGUF row h·D + 2i + s.
  private func permuted(_ values: [Float], columns: Int, headSize: Int) -> [Float] {
    let rows = values.count / columns
    var result = [Float](repeating: 0, count: values.count)
    for row in 0..<rows {
      let (head, inHead) = (row / headSize, row % headSize)
      let (s, i) = (inHead / (headSize / 2), inHead % (headSize / 2))
      let target = head * headSize + 2 * i + s
      for column in 0..<columns {
        result[target * columns + column] = values[row * columns + column]
      }
    }
    return result
  }

  private static let names = [
    ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"), ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"), ("input_layernorm", "attn_norm"),
    ("self_attn.qkv_proj", "attn_qkv"), ("mlp.gate_up_proj", "ffn_up"),
    ("self_attn.q_norm", "attn_q_norm"), ("self_attn.k_norm", "attn_k_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"), ("post_feedforward_layernorm", "post_ffw_norm"),
  ]

  private func ggufName(_ name: String, isSandwich: Bool) -> String {
    switch name {
    case "model.embed_tokens.weight": return "token_embd.weight"
    case "model.norm.weight": return "output_norm.weight"
    case "lm_head.weight": return "output.weight"
    default: break
    }
    let layer = name.split(separator: ".")[2]
    let kind = name.split(separator: ".").last ?? ""
    if name.hasSuffix(".post_attention_layernorm.weight") {
      return "blk.\(layer).\(isSandwich ? "post_attention_norm" : "ffn_norm").weight"
    }
    for (long, short) in Self.names where name.hasSuffix(".\(long).\(kind)") {
      return "blk.\(layer).\(short).\(kind)"
    }
    return name
  }

  /// The architecture of a golden in llama.cpp.
  private func architecture(_ golden: String) -> String {
    let known = ["qwen2", "qwen3", "gemma2", "gemma3", "gemma", "smollm3", "phi3", "granite"]
    return known.first { golden.hasPrefix($0) } ?? "llama"
  }

  private func gguf(
    _ golden: String, extra: [(String, UInt32)] = [], extraTensor: String? = nil
  ) throws -> [UInt8] {
    let folder = PackageLayout.fixture("golden/\(golden)/model")
    let config = try BaseModel(path: folder).config
    let file = try SafetensorsFile(path: "\(folder)/model.safetensors")
    let architecture = architecture(golden)
    let permutes = ["llama", "smollm3", "granite"].contains(architecture)
    var tensors: [(name: String, shape: [Int], values: [Float])] = []
    for info in file.tensors where !info.name.contains("vision_") && !info.name.contains("projector") {
      var values = try file.tensor(info.name).floats()
      if permutes, info.name.contains("q_proj") || info.name.contains("k_proj") {
        values = permuted(values, columns: info.shape[1], headSize: config.headSize)
      }
      if info.name.hasSuffix("norm.weight") { values = values.map { $0 + config.normOffset } }
      let plain = info.name.replacing("language_model.", with: "")
      let name = ggufName(plain, isSandwich: config.hasSandwichNorms)
      tensors.append((name, info.shape, values))
    }
    if case .longRope(let short, let long, _) = config.ropes[0].scaling {
      tensors.append(("rope_factors_short.weight", [short.count], short.map { Float($0) }))
      tensors.append(("rope_factors_long.weight", [long.count], long.map { Float($0) }))
    }
    if case .llama3 = config.ropes[0].scaling {
      let plain = RopeConfig(theta: config.ropes[0].theta, rotarySize: config.headSize)
      let divisors = zip(plain.inverseFrequencies, config.ropes[0].inverseFrequencies).map(/)
      tensors.append(("rope_freqs.weight", [divisors.count], divisors))
    }
    if let extraTensor { tensors.append((extraTensor, [2], [1, 2])) }
    let numbers: [(String, UInt32)] =
      [
        ("block_count", UInt32(config.layerCount)),
        ("context_length", UInt32(config.maximumContext)),
        ("embedding_length", UInt32(config.hiddenSize)),
        ("feed_forward_length", UInt32(config.intermediateSize)),
        ("attention.head_count", UInt32(config.headCount)),
        ("attention.head_count_kv", UInt32(config.keyValueHeadCount)),
        ("rope.dimension_count", UInt32(config.headSize)),
        ("vocab_size", UInt32(config.vocabularySize)),
        ("attention.key_length", UInt32(config.headSize)),
        ("attention.value_length", UInt32(config.headSize)),
      ] + architectureNumbers(config, architecture) + extra
    var writer = Writer()
    writer.bytes += Array("GGUF".utf8)
    writer.number(UInt32(3))
    writer.number(UInt64(tensors.count))
    let fractions = try architectureFractions(folder, config)
    writer.number(UInt64(numbers.count + fractions.count + 1))
    writer.text("general.architecture")
    writer.number(UInt32(8))
    writer.text(architecture)
    for (key, value) in numbers {
      writer.text("\(architecture).\(key)")
      writer.number(UInt32(4))
      writer.number(value)
    }
    for (key, value) in fractions {
      writer.text("\(architecture).\(key)")
      writer.number(UInt32(6))
      writer.number(value.bitPattern)
    }
    var offset = 0
    for tensor in tensors {
      writer.text(tensor.name)
      writer.number(UInt32(tensor.shape.count))
      for extent in tensor.shape.reversed() { writer.number(UInt64(extent)) }
      writer.number(UInt32(0))
      writer.number(UInt64(offset))
      offset += (tensor.values.count * 4 + 31) / 32 * 32
    }
    writer.pad()
    for tensor in tensors {
      tensor.values.withUnsafeBytes { writer.bytes += $0 }
      writer.pad()
    }
    return writer.bytes
  }

  /// Numbers with a fraction: epsilon, base of the rope, and the four factors of Granite.
  private func architectureFractions(
    _ folder: String, _ config: DecoderConfig
  ) throws -> [(String, Float)] {
    let json = try JSONValue(parsing: InputSource(path: "\(folder)/config.json").readAll())
    let epsilon = json["rms_norm_eps"]?.number ?? json["text_config"]?["rms_norm_eps"]?.number
    var numbers = [
      ("attention.layer_norm_rms_epsilon", Float(try #require(epsilon))),
      ("rope.freq_base", Float(config.ropes[0].theta)),
    ]
    for (key, field) in [
      ("attention.scale", "attention_multiplier"), ("embedding_scale", "embedding_multiplier"),
      ("residual_scale", "residual_multiplier"), ("logit_scale", "logits_scaling"),
    ] {
      if let number = json[field]?.number { numbers.append((key, Float(number))) }
    }
    return numbers
  }

  /// Whole numbers that some architectures have besides; soft-caps and local rope stay unsaid.
  private func architectureNumbers(
    _ config: DecoderConfig, _ architecture: String
  ) -> [(String, UInt32)] {
    var numbers: [(String, UInt32)] = []
    if architecture != "llama" {
      let window = config.windows.compactMap { $0 }.first ?? 0
      numbers.append(("attention.sliding_window", UInt32(window)))
    }
    if case .longRope(_, _, let context) = config.ropes[0].scaling {
      numbers.append(("rope.scaling.original_context_length", UInt32(context)))
    }
    return numbers
  }

  @Test(
    arguments: [
      "llama2", "llama3", "llama3-rslora-some", "qwen2", "qwen3", "gemma2", "gemma3", "smollm3",
      "phi3-mini-4k", "phi3-mini-128k", "gemma", "gemma3-vision", "granite",
    ])
  func aGGUFFileIsTheSameModel(golden: String) throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write("model.gguf", try gguf(golden))
    let found = try BaseModel(path: path)
    let expected = try BaseModel(path: PackageLayout.fixture("golden/\(golden)/model"))
    #expect(found.config.hasTiedHead == expected.config.hasTiedHead)
    #expect(found.config.vocabularySize == expected.config.vocabularySize)
    #expect(found.digest() != expected.digest())
    let size = Int32(expected.config.vocabularySize)
    let tokens: [Int32] = (0..<40).map { ($0 * 37 + 5) % size }
    let row = PackedRow([(tokens: tokens, isTarget: tokens.map { _ in true })])
    let left = try LanguageModel(base: found, device: ReferenceDevice()).logits(row)
    // llama.cpp scales Gemma's attention by the head size, which these tiny models do not.
    var config = expected.config
    if config.normOffset == 1 { config.attentionScale = 1 / Float(config.headSize).squareRoot() }
    let right = try LanguageModel(
      config: config, store: expected.store, device: ReferenceDevice()
    ).logits(row)
    #expect(left.count == right.count)
    #expect(zip(left, right).allSatisfy { abs($0 - $1) <= 2e-5 })
  }

  @Test func whatAGGUFFileAddsIsRefused() throws {
    let folder = try TemporaryDirectory()
    let experts = try folder.write("e", try gguf("llama2", extra: [("expert_count", 8)]))
    #expect {
      _ = try BaseModel(path: experts)
    } throws: { error in
      guard case ModelError.unsupportedField(_, "llama.expert_count", _) = error else {
        return false
      }
      return true
    }
    let tensor = try folder.write("t", try gguf("llama2", extraTensor: "blk.0.attn_sinks.weight"))
    #expect {
      _ = try BaseModel(path: tensor)
    } throws: { error in
      guard case ModelError.unexpectedTensor(_, "blk.0.attn_sinks.weight") = error else {
        return false
      }
      return true
    }
  }

  @Test func aTruncatedFileIsRefused() throws {
    let folder = try TemporaryDirectory()
    let bytes = try gguf("llama2")
    for count in [3, 20, 100, 700, 3000, bytes.count - 1] {
      let path = try folder.write("cut", Array(bytes.prefix(count)))
      #expect(throws: ModelError.self) { _ = try BaseModel(path: path) }
    }
  }
}
