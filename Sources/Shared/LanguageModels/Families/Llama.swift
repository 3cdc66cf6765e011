// SPDX-License-Identifier: Apache-2.0

/// Llama 1, 2, 3 and 3.x, TinyLlama, SmolLM2 (`model_type` llama).
package enum Llama: ModelFamily {
  package static let modelType = "llama"
  package static let ggufArchitecture: String? = "llama"
  package static let ggufInterleavesHeads = true

  package static func decoder(_ fields: inout ConfigFields) throws(ModelError) -> DecoderConfig {
    var defaults = FamilyDefaults()
    defaults.queryKeyValueBias = try fields.flag("attention_bias") ?? false
    defaults.outputBias = defaults.queryKeyValueBias
    defaults.feedForwardBias = try fields.flag("mlp_bias") ?? false
    return try CommonFields.decoder(&fields, family: modelType, defaults)
  }
}
