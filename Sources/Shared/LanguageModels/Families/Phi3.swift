// SPDX-License-Identifier: Apache-2.0

/// Phi-3, Phi-3.5 and Phi-4-mini (`model_type` phi3): fused query, key, value and fused gate, up;
/// LongRoPE in the models for long contexts.
package enum Phi3: ModelFamily {
  package static let modelType = "phi3"
  package static let ggufArchitecture: String? = "phi3"
  package static let ggufInterleavesHeads = false

  package static func decoder(_ fields: inout ConfigFields) throws(ModelError) -> DecoderConfig {
    var defaults = FamilyDefaults()
    defaults.mayRotatePartially = true
    defaults.oldNamesOfLongRope = ["su", "yarn"]
    defaults.originalContext = try fields.count("original_max_position_embeddings")
    var config = try CommonFields.decoder(&fields, family: modelType, defaults)
    let window = try fields.count("sliding_window")
    config.windows = Array(repeating: window, count: config.layerCount)
    config.modules = fusedModules(config)
    return config
  }

  private static func fusedModules(_ config: DecoderConfig) -> [LinearModule] {
    func module(_ name: String, _ stage: Stage, _ projections: Projection...) -> LinearModule {
      LinearModule(
        name, stage: stage,
        parts: projections.map { .init(projection: $0, rows: config.outputs(of: $0)) })
    }
    return [
      module("self_attn.qkv_proj", .attentionInput, .query, .key, .value),
      module("self_attn.o_proj", .attentionOutput, .output),
      module("mlp.gate_up_proj", .feedForwardInput, .gate, .up),
      module("mlp.down_proj", .feedForwardOutput, .down),
    ]
  }
}
