// SPDX-License-Identifier: Apache-2.0

/// Qwen 3, dense (`model_type` qwen3): norms of query and key heads instead of biases.
package enum Qwen3: ModelFamily {
  package static let modelType = "qwen3"
  package static let ggufArchitecture: String? = "qwen3"
  package static let ggufInterleavesHeads = false

  package static func decoder(_ fields: inout ConfigFields) throws(ModelError) -> DecoderConfig {
    var defaults = FamilyDefaults()
    defaults.headSize = 128
    defaults.queryKeyValueBias = try fields.flag("attention_bias") ?? false
    defaults.outputBias = defaults.queryKeyValueBias
    var config = try CommonFields.decoder(&fields, family: modelType, defaults)
    config.hasHeadNorms = true
    config.windows = try Qwen2.windows(&fields, layers: config.layerCount)
    return config
  }
}
