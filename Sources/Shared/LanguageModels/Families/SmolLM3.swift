// SPDX-License-Identifier: Apache-2.0
import Streams

/// SmolLM 3 (`model_type` smollm3): a Llama with some layers without positions.
package enum SmolLM3: ModelFamily {
  package static let modelType = "smollm3"
  package static let ggufArchitecture: String? = "smollm3"
  package static let ggufInterleavesHeads = true

  package static func decoder(_ fields: inout ConfigFields) throws(ModelError) -> DecoderConfig {
    var defaults = FamilyDefaults()
    defaults.theta = 2e6
    defaults.tiesHead = true
    defaults.queryKeyValueBias = try fields.flag("attention_bias") ?? false
    defaults.outputBias = defaults.queryKeyValueBias
    defaults.feedForwardBias = try fields.flag("mlp_bias") ?? false
    var config = try CommonFields.decoder(&fields, family: modelType, defaults)
    let ropes = try ropeOfLayer(&fields, layers: config.layerCount)
    let given = try fields.count("sliding_window")
    let window = try fields.flag("use_sliding_window") ?? false ? given : nil
    config.windows = try CommonFields.windows(
      &fields, layers: config.layerCount, window: window) { ropes[$0] == nil }
    config.ropeOfLayer = ropes
    return config
  }

  /// `no_rope_layers` has a 1 for each layer *with* rope; without it every fourth layer has none.
  private static func ropeOfLayer(
    _ fields: inout ConfigFields, layers: Int
  ) throws(ModelError) -> [Int?] {
    let interval = try fields.count("no_rope_layer_interval") ?? 4
    guard let list = fields.value("no_rope_layers") else {
      return (0..<layers).map { ($0 + 1) % interval == 0 ? nil : 0 }
    }
    let flags = (list.elements ?? []).compactMap(\.int)
    guard flags.count == layers, flags.allSatisfy({ $0 == 0 || $0 == 1 }) else {
      throw fields.bad("no_rope_layers", "\(layers) times 0 or 1", list)
    }
    return flags.map { $0 == 1 ? 0 : nil }
  }
}
