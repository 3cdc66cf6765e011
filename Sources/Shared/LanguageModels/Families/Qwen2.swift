// SPDX-License-Identifier: Apache-2.0
import Streams

/// Qwen 2 and 2.5 (`model_type` qwen2): a Llama with biases on query, key and value.
package enum Qwen2: ModelFamily {
  package static let modelType = "qwen2"
  package static let ggufArchitecture: String? = "qwen2"
  package static let ggufInterleavesHeads = false

  package static func decoder(_ fields: inout ConfigFields) throws(ModelError) -> DecoderConfig {
    var defaults = FamilyDefaults()
    defaults.queryKeyValueBias = true
    var config = try CommonFields.decoder(&fields, family: modelType, defaults)
    config.windows = try windows(&fields, layers: config.layerCount)
    return config
  }

  /// Windows are off unless `use_sliding_window`; then all layers from `max_window_layers` on have one.
  static func windows(_ fields: inout ConfigFields, layers: Int) throws(ModelError) -> [Int?] {
    let given = try fields.count("sliding_window", absent: 4096)
    let window = try fields.flag("use_sliding_window") ?? false ? given : nil
    // Not a count: 0 gives every layer a window.
    let value = fields.value("max_window_layers")
    guard let first = value.map({ $0.int }) ?? 28, first >= 0 else {
      throw fields.bad("max_window_layers", "a whole number from 0", value ?? .null)
    }
    return try CommonFields.windows(&fields, layers: layers, window: window) { $0 >= first }
  }
}
