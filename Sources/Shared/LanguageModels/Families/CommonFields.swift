// SPDX-License-Identifier: Apache-2.0
import Compute
import Streams

/// What a family means where its settings are silent, and which of the shared fields it reads.
struct FamilyDefaults {
  /// Base of the rope's wavelengths.
  var theta = 10_000.0
  /// Values in a head; nil is hidden_size / num_attention_heads.
  var headSize: Int?
  var activation = GateActivation.silu
  var tiesHead = false
  /// Sizes that a file may leave out.
  var headCount: Int?
  var keyValueHeadCount: Int?
  var vocabularySize: Int?
  var maximumContext = 2048
  /// `gelu` means its approximation by tanh.
  var geluIsTanh = false
  var queryKeyValueBias = false
  var outputBias = false
  var feedForwardBias = false
  /// Fewer dimensions than the head's may rotate.
  var mayRotatePartially = false
  /// Other names of `longrope` in older files of the family.
  var oldNamesOfLongRope: [String] = []
  /// The context before it was stretched, where the file says so outside of its rope settings.
  var originalContext: Int?
  /// The kind of layers whose entry of `rope_parameters` counts; nil where one is for all layers.
  var ropeLayerType: String?
}

/// The fields that all families of the Llama lineage share, with the defaults of transformers.
enum CommonFields {
  /// A decoder with separate projections, one rope on every layer and no window. Families change
  /// what differs.
  static func decoder(
    _ fields: inout ConfigFields, family: String, _ defaults: FamilyDefaults = FamilyDefaults()
  ) throws(ModelError) -> DecoderConfig {
    let hidden = try fields.requiredCount("hidden_size")
    let heads = try fields.count("num_attention_heads", orElse: defaults.headCount)
    let keyValueHeads = try fields.count("num_key_value_heads") ?? defaults.keyValueHeadCount ?? heads
    let intermediate = try fields.requiredCount("intermediate_size")
    let layers = try fields.requiredCount("num_hidden_layers")
    let headSize = try headSize(&fields, hidden: hidden, heads: heads, defaults)
    guard keyValueHeads <= heads, heads % keyValueHeads == 0 else {
      throw fields.bad(
        "num_key_value_heads", "a divisor of num_attention_heads (\(heads))",
        .integer(keyValueHeads))
    }
    guard layers <= 1 << 16 else {
      throw fields.bad("num_hidden_layers", "at most 65536", .integer(layers))
    }
    let context = try fields.count("max_position_embeddings") ?? defaults.maximumContext
    let rope = try Self.rope(&fields, headSize: headSize, maximumContext: context, defaults)
    return DecoderConfig(
      family: family, vocabularySize: try fields.count("vocab_size", orElse: defaults.vocabularySize),
      hiddenSize: hidden,
      intermediateSize: intermediate, layerCount: layers, headCount: heads,
      keyValueHeadCount: keyValueHeads, headSize: headSize, maximumContext: context,
      normEpsilon: Float(try fields.positive("rms_norm_eps") ?? 1e-6),
      hasTiedHead: try fields.flag("tie_word_embeddings") ?? defaults.tiesHead,
      activation: try activation(&fields, defaults) ?? defaults.activation,
      attentionScale: 1 / Float(headSize).squareRoot(),
      windows: Array(repeating: nil, count: layers), ropes: [rope],
      ropeOfLayer: Array(repeating: 0, count: layers),
      modules: DecoderConfig.separateModules(
        attentionWidth: heads * headSize, keyValueWidth: keyValueHeads * headSize,
        hiddenSize: hidden, intermediateSize: intermediate,
        queryKeyValueBias: defaults.queryKeyValueBias, outputBias: defaults.outputBias,
        feedForwardBias: defaults.feedForwardBias))
  }

  private static func headSize(
    _ fields: inout ConfigFields, hidden: Int, heads: Int, _ defaults: FamilyDefaults
  ) throws(ModelError) -> Int {
    let size: Int
    if let given = try fields.count("head_dim") ?? defaults.headSize {
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

  /// `hidden_act`, or `hidden_activation` of the Gemma families; nil if neither is there.
  private static func activation(
    _ fields: inout ConfigFields, _ defaults: FamilyDefaults
  ) throws(ModelError) -> GateActivation? {
    let second = try fields.text("hidden_activation")
    let first = try fields.text("hidden_act")
    switch second ?? first {
    case nil: return nil
    case "silu", "swish": return .silu
    case "gelu_pytorch_tanh", "gelu_new": return .geluTanh
    case "gelu" where defaults.geluIsTanh: return .geluTanh
    case let other?:
      throw fields.unsupported(second == nil ? "hidden_act" : "hidden_activation", .string(other))
    }
  }

  /// The window of every layer: of `window` keys where the layer is of the sliding kind, by
  /// `layer_types` or, without it, by the family's rule.
  static func windows(
    _ fields: inout ConfigFields, layers: Int, window: Int?, isSliding: (Int) -> Bool
  ) throws(ModelError) -> [Int?] {
    guard let types = fields.value("layer_types") else {
      return (0..<layers).map { isSliding($0) ? window : nil }
    }
    guard let elements = types.elements, elements.count == layers else {
      throw fields.bad("layer_types", "\(layers) names", types)
    }
    var windows: [Int?] = []
    for element in elements {
      switch element.text {
      case "full_attention": windows.append(nil)
      case "sliding_attention":
        guard let window else {
          throw fields.missing("sliding_window", "the window of the layers that layer_types names")
        }
        windows.append(window)
      default: throw fields.unsupported("layer_types", element)
      }
    }
    return windows
  }
}
