// SPDX-License-Identifier: Apache-2.0

/// Mistral (`model_type` mistral): a Llama whose layers all have the same window, or none.
///
/// llama.cpp's files call it llama and have no window.
package enum Mistral: ModelFamily {
  package static let modelType = "mistral"
  package static let ggufArchitecture: String? = nil
  package static let ggufInterleavesHeads = true

  package static func decoder(_ fields: inout ConfigFields) throws(ModelError) -> DecoderConfig {
    var config = try CommonFields.decoder(&fields, family: modelType)
    let window = try fields.count("sliding_window", absent: 4096)
    config.windows = Array(repeating: window, count: config.layerCount)
    return config
  }
}
