// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Gemma 3, text (`model_type` gemma3_text): Gemma 2 with norms of heads instead of soft-caps, a
/// window on five layers of six, and a rope of their own for those.
package enum Gemma3: ModelFamily {
  package static let modelType = "gemma3_text"
  package static let ggufArchitecture: String? = "gemma3"
  package static let ggufInterleavesHeads = false

  package static func decoder(_ fields: inout ConfigFields) throws(ModelError) -> DecoderConfig {
    var defaults = FamilyDefaults()
    defaults.theta = 1e6
    defaults.ropeLayerType = "full_attention"
    // The settings inside of a model that also sees say only what differs from these.
    defaults.headCount = 8
    defaults.keyValueHeadCount = 4
    defaults.vocabularySize = 262_208
    defaults.maximumContext = 131_072
    var config = try Gemma2.base(&fields, family: modelType, defaults)
    config.hasHeadNorms = true
    config.logitSoftcap = try fields.positive("final_logit_softcapping").map { Float($0) }
    let window = try fields.count("sliding_window", absent: 4096)
    let period = try fields.count("_sliding_window_pattern")
    let every = try fields.count("sliding_window_pattern") ?? period ?? 6
    config.windows = try CommonFields.windows(
      &fields, layers: config.layerCount, window: window) { ($0 + 1) % every != 0 }
    config.ropes.append(try localRope(&fields, config, defaults))
    config.ropeOfLayer = config.windows.map { $0 == nil ? 0 : 1 }
    return config
  }

  package static func completeGGUF(_ fields: inout JSONObject) {
    Gemma2.addAttentionScale(&fields, layersOf27B: 62)
    // To llama.cpp a file that names no window has none.
    if fields["sliding_window"] == nil { fields["sliding_window"] = .null }
  }

  /// The rope of layers with a window; `rope_scaling` of transformers 4 is not for them.
  private static func localRope(
    _ fields: inout ConfigFields, _ config: DecoderConfig, _ defaults: FamilyDefaults
  ) throws(ModelError) -> RopeConfig {
    let theta = try fields.positive("rope_local_base_freq") ?? 10_000
    guard var kinds = try fields.nested("rope_parameters") else {
      return RopeConfig(theta: theta, rotarySize: config.headSize)
    }
    guard let parameters = try kinds.nested("sliding_attention") else {
      throw fields.missing("rope_parameters.sliding_attention", "an object")
    }
    return try CommonFields.rope(
      parameters, theta: theta, headSize: config.headSize, maximumContext: config.maximumContext,
      defaults)
  }
}
