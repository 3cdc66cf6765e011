// SPDX-License-Identifier: Apache-2.0
import Compute
import Streams

/// The fields that all families of the Llama lineage share, with the defaults of transformers.
enum CommonFields {
  /// A decoder with separate projections, full rope on every layer and no window. Families change
  /// what differs.
  static func decoder(
    _ fields: inout ConfigFields, family: String, defaultTheta: Double,
    queryKeyValueBias: Bool = false, outputBias: Bool = false, feedForwardBias: Bool = false,
    tiesByDefault: Bool = false
  ) throws(ModelError) -> DecoderConfig {
    let hidden = try fields.requiredCount("hidden_size")
    let heads = try fields.requiredCount("num_attention_heads")
    let keyValueHeads = try fields.count("num_key_value_heads") ?? heads
    let intermediate = try fields.requiredCount("intermediate_size")
    let layers = try fields.requiredCount("num_hidden_layers")
    let headSize = try headSize(&fields, hidden: hidden, heads: heads)
    guard keyValueHeads <= heads, heads % keyValueHeads == 0 else {
      throw fields.bad(
        "num_key_value_heads", "a divisor of num_attention_heads (\(heads))",
        .integer(keyValueHeads))
    }
    guard layers <= 1 << 16 else {
      throw fields.bad("num_hidden_layers", "at most 65536", .integer(layers))
    }
    let context = try fields.count("max_position_embeddings") ?? 2048
    let rope = try rope(
      &fields, defaultTheta: defaultTheta, headSize: headSize, maximumContext: context)
    return DecoderConfig(
      family: family, vocabularySize: try fields.requiredCount("vocab_size"), hiddenSize: hidden,
      intermediateSize: intermediate, layerCount: layers, headCount: heads,
      keyValueHeadCount: keyValueHeads, headSize: headSize, maximumContext: context,
      normEpsilon: Float(try fields.positive("rms_norm_eps") ?? 1e-6),
      hasTiedHead: try fields.flag("tie_word_embeddings") ?? tiesByDefault,
      activation: try activation(&fields), attentionScale: 1 / Float(headSize).squareRoot(),
      windows: Array(repeating: nil, count: layers), ropes: [rope],
      ropeOfLayer: Array(repeating: 0, count: layers),
      modules: DecoderConfig.separateModules(
        attentionWidth: heads * headSize, keyValueWidth: keyValueHeads * headSize,
        hiddenSize: hidden, intermediateSize: intermediate, queryKeyValueBias: queryKeyValueBias,
        outputBias: outputBias, feedForwardBias: feedForwardBias))
  }

  private static func headSize(
    _ fields: inout ConfigFields, hidden: Int, heads: Int
  ) throws(ModelError) -> Int {
    let size: Int
    if let given = try fields.count("head_dim") {
      size = given
    } else {
      guard hidden % heads == 0 else {
        throw fields.bad(
          "num_attention_heads", "a divisor of hidden_size (\(hidden))", .integer(heads))
      }
      size = hidden / heads
    }
    guard size % 2 == 0, size <= 1 << 16 else {
      throw fields.bad("head_dim", "an even number up to 65536", .integer(size))
    }
    return size
  }

  /// `hidden_act`, or `hidden_activation` of the Gemma families.
  static func activation(_ fields: inout ConfigFields) throws(ModelError) -> GateActivation {
    let second = try fields.text("hidden_activation")
    let first = try fields.text("hidden_act")
    switch second ?? first ?? "silu" {
    case "silu", "swish": return .silu
    case "gelu_pytorch_tanh", "gelu_new": return .geluTanh
    case let other:
      throw fields.unsupported(second == nil ? "hidden_act" : "hidden_activation", .string(other))
    }
  }

  /// Rope settings of transformers 5 (`rope_parameters`) or 4 (`rope_theta`, `rope_scaling`).
  static func rope(
    _ fields: inout ConfigFields, defaultTheta: Double, headSize: Int, maximumContext: Int
  ) throws(ModelError) -> RopeConfig {
    if let partial = try fields.positive("partial_rotary_factor"), partial != 1 {
      throw fields.unsupported("partial_rotary_factor", .double(partial))
    }
    let legacyTheta = try fields.positive("rope_theta")
    let legacy = try fields.nested("rope_scaling")
    let current = try fields.nested("rope_parameters")
    guard var parameters = current ?? legacy else {
      return RopeConfig(theta: legacyTheta ?? defaultTheta, rotarySize: headSize)
    }
    let theta = try parameters.positive("rope_theta") ?? legacyTheta ?? defaultTheta
    if let partial = try parameters.positive("partial_rotary_factor"), partial != 1 {
      throw fields.unsupported("partial_rotary_factor", .double(partial))
    }
    let legacyType = try parameters.text("type")
    let type = try parameters.text("rope_type") ?? legacyType ?? "default"
    let scaling = try scaling(
      type, &parameters, rotarySize: headSize, maximumContext: maximumContext)
    try parameters.refuseUnread()
    return RopeConfig(theta: theta, rotarySize: headSize, scaling: scaling)
  }

  private static func scaling(
    _ type: String, _ fields: inout ConfigFields, rotarySize: Int, maximumContext: Int
  ) throws(ModelError) -> RopeScaling {
    switch type {
    case "default":
      return .none
    case "linear":
      guard let factor = try fields.positive("factor") else {
        throw fields.missing("factor", "a number above 0")
      }
      return .linear(factor: factor)
    case "llama3":
      guard let factor = try fields.positive("factor") else {
        throw fields.missing("factor", "a number above 0")
      }
      guard let low = try fields.positive("low_freq_factor"),
        let high = try fields.positive("high_freq_factor"), high != low
      else { throw fields.missing("low_freq_factor", "two different numbers above 0") }
      let original = try fields.count("original_max_position_embeddings") ?? maximumContext
      return .llama3(factor: factor, lowFactor: low, highFactor: high, originalContext: original)
    case "divisors":  // from a GGUF tensor, see GGUFSettings
      guard let values = fields.value("divisors")?.elements, values.count == rotarySize / 2 else {
        throw fields.missing("rope_freqs.weight", "\(rotarySize / 2) numbers")
      }
      return .divisors(values.map { Float($0.number ?? .nan) })
    default:
      throw fields.unsupported("rope_type", .string(type))
    }
  }
}
