// SPDX-License-Identifier: Apache-2.0
import Compute
import Streams

/// Gemma 1 and CodeGemma (`model_type` gemma): a Llama with 1 + w norms, scaled embeddings and tanh
/// GELU.
package enum Gemma: ModelFamily {
  package static let modelType = "gemma"
  package static let ggufArchitecture: String? = "gemma"
  package static let ggufInterleavesHeads = false

  package static func decoder(_ fields: inout ConfigFields) throws(ModelError) -> DecoderConfig {
    var defaults = FamilyDefaults()
    defaults.headSize = 256
    defaults.activation = .geluTanh
    // The first files say "gelu" and mean its approximation by tanh.
    defaults.geluIsTanh = true
    defaults.tiesHead = true
    defaults.queryKeyValueBias = try fields.flag("attention_bias") ?? false
    defaults.outputBias = defaults.queryKeyValueBias
    var config = try CommonFields.decoder(&fields, family: modelType, defaults)
    config.normOffset = 1
    config.embeddingScale = Float(config.hiddenSize).squareRoot()
    return config
  }
}
