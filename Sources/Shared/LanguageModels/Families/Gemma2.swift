// SPDX-License-Identifier: Apache-2.0
import Compute
package import Streams

/// Gemma 2 (`model_type` gemma2): soft-caps, norms around both parts of a layer, every other layer
/// with a window.
package enum Gemma2: ModelFamily {
  package static let modelType = "gemma2"
  package static let ggufArchitecture: String? = "gemma2"
  package static let ggufInterleavesHeads = false

  package static func decoder(_ fields: inout ConfigFields) throws(ModelError) -> DecoderConfig {
    var config = try base(&fields, family: modelType, FamilyDefaults())
    config.attentionSoftcap = try fields.positive("attn_logit_softcapping", absent: 50)
      .map { Float($0) }
    config.logitSoftcap = try fields.positive("final_logit_softcapping", absent: 30)
      .map { Float($0) }
    let window = try fields.count("sliding_window", absent: 4096)
    // Early files say it twice.
    if let again = try fields.count("sliding_window_size"), again != window {
      throw fields.unsupported("sliding_window_size", .integer(again))
    }
    config.windows = try CommonFields.windows(
      &fields, layers: config.layerCount, window: window) { $0 % 2 == 0 }
    return config
  }

  package static func completeGGUF(_ fields: inout JSONObject) {
    addAttentionScale(&fields, layersOf27B: 46)
  }

  /// What Gemma 2 and 3 share: 1 + w norms, sandwich norms, embeddings times √hidden, tanh GELU, tied
  /// head, attention scaled by a setting of its own.
  static func base(
    _ fields: inout ConfigFields, family: String, _ changes: FamilyDefaults
  ) throws(ModelError) -> DecoderConfig {
    var defaults = changes
    defaults.headSize = 256
    defaults.activation = .geluTanh
    defaults.tiesHead = true
    defaults.queryKeyValueBias = try fields.flag("attention_bias") ?? false
    defaults.outputBias = defaults.queryKeyValueBias
    var config = try CommonFields.decoder(&fields, family: family, defaults)
    config.normOffset = 1
    config.hasSandwichNorms = true
    config.embeddingScale = Float(config.hiddenSize).squareRoot()
    let scalar = try fields.positive("query_pre_attn_scalar") ?? 256
    config.attentionScale = Float(1 / scalar.squareRoot())
    return config
  }

  /// GGUF files do not say by what attention is scaled: it is the head size, but for the 27B model,
  /// which its number of layers tells.
  static func addAttentionScale(_ fields: inout JSONObject, layersOf27B: Int) {
    if fields["num_hidden_layers"]?.int == layersOf27B, let hidden = fields["hidden_size"]?.number,
      let heads = fields["num_attention_heads"]?.number, heads > 0
    {
      fields["query_pre_attn_scalar"] = .double(hidden / heads)
    } else {
      fields["query_pre_attn_scalar"] = fields["head_dim"]
    }
  }
}
