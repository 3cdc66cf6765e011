// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Granite 3, dense (`model_type` granite): a Llama with four factors, of embeddings, attention,
/// what each half of a layer adds, and logits.
package enum Granite: ModelFamily {
  package static let modelType = "granite"
  package static let ggufArchitecture: String? = "granite"
  package static let ggufInterleavesHeads = true

  package static func decoder(_ fields: inout ConfigFields) throws(ModelError) -> DecoderConfig {
    var defaults = FamilyDefaults()
    defaults.queryKeyValueBias = try fields.flag("attention_bias") ?? false
    defaults.outputBias = defaults.queryKeyValueBias
    defaults.feedForwardBias = try fields.flag("mlp_bias") ?? false
    var config = try CommonFields.decoder(&fields, family: modelType, defaults)
    config.attentionScale = Float(try fields.positive("attention_multiplier") ?? 1)
    config.logitScale = Float(1 / (try fields.positive("logits_scaling") ?? 1))
    // x + m · f(norm(x)) is m · (y + f(norm(y))) with y = x / m, and every norm that reads x is the same
    // of y but for its epsilon: the residuals are kept divided by m.
    let embedding = try fields.positive("embedding_multiplier") ?? 1
    let residual = try fields.positive("residual_multiplier") ?? 1
    config.embeddingScale = Float(embedding / residual)
    config.normEpsilon = Float(Double(config.normEpsilon) / (residual * residual))
    return config
  }

  package static func completeGGUF(_ fields: inout JSONObject) {
    // llama.cpp has another name for the factors, and without one for attention divides as a Llama.
    for (key, field) in [
      ("attention.scale", "attention_multiplier"), ("embedding_scale", "embedding_multiplier"),
      ("residual_scale", "residual_multiplier"), ("logit_scale", "logits_scaling"),
    ] {
      fields[field] = fields["granite." + key]
      fields["granite." + key] = nil
    }
    if fields["attention_multiplier"] == nil, let size = fields["head_dim"]?.number, size > 0 {
      fields["attention_multiplier"] = .double(1 / size.squareRoot())
    }
  }
}
