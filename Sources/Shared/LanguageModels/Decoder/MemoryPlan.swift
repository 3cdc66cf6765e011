// SPDX-License-Identifier: Apache-2.0

/// What a model's buffers will take, decided before anything is allocated.
///
/// A layer's activations are either kept from the forward pass, or computed again from the layer's
/// input when the backward pass comes to it; the operations are the same, so the results are too.
package struct MemoryPlan: Sendable, Equatable {
  /// Tokens of the largest packed row.
  package let rows: Int
  /// Layers, from the top, whose activations are kept.
  package let keptLayers: Int
  /// Layers that the backward pass goes through.
  package let trainedLayers: Int
  /// Bytes of the base model's file that stay mapped.
  package let mappedBytes: Int
  /// Bytes of kept activations and of one layer computed again.
  package let activationBytes: Int
  /// Bytes of layer inputs and of what the current layer needs.
  package let scratchBytes: Int
  /// Bytes of LoRA factors, their gradients, and the optimizer's moments.
  package let adapterBytes: Int

  /// Bytes besides the mapped weights and what the device itself takes.
  package var allocatedBytes: Int { activationBytes + scratchBytes + adapterBytes }

  /// The plan for rows of `rows` tokens that keeps as many layers as `budget` bytes allow; nil
  /// keeps all.
  ///
  /// - Parameter modules: what is trained; empty for scoring, which keeps nothing.
  package init(
    config: DecoderConfig, modules: [LoRAModule], rows: Int, budget: Int? = nil,
    mappedBytes: Int = 0, trains: Bool
  ) {
    self.rows = rows
    self.mappedBytes = mappedBytes
    let lowest = modules.map(\.layer).min()
    let trained = trains ? lowest.map { config.layerCount - $0 } ?? 0 : 0
    trainedLayers = trained
    let factors = modules.reduce(0) { $0 + $1.rank * ($1.inputs + $1.outputs) }
    // Factors; with training also gradients, two moments and the copy that is written.
    adapterBytes = 4 * factors * (trains ? 5 : 2)
    var widest = 0
    for layer in 0..<config.layerCount {
      widest = max(widest, Self.layerWidth(config, modules: modules, layer: layer))
    }
    let layerBytes = 4 * rows * widest
    let scratch = Workspace.scratchWidths(config, modules: modules, trains: trains)
    scratchBytes =
      4 * rows
      * (scratch.reduce(0) { $0 + $1.width }
        + config.hiddenSize * (trained + 1))
    var kept = trained
    if let budget {
      let left = budget - scratchBytes - adapterBytes
      // One more set of buffers is needed as soon as a layer is not kept.
      if trained * layerBytes > left || trained < config.layerCount {
        kept = max(0, min(trained, left / max(1, layerBytes) - 1))
      }
    }
    keptLayers = kept
    activationBytes = layerBytes * (kept + (kept < config.layerCount ? 1 : 0))
  }

  /// Values a token that the activations of a layer take.
  static func layerWidth(_ config: DecoderConfig, modules: [LoRAModule], layer: Int) -> Int {
    Saved.width(config) { Self.rank(config, modules: modules, layer: layer, stage: $0) }
  }

  /// Sum of the ranks of the adapted modules of a stage.
  static func rank(
    _ config: DecoderConfig, modules: [LoRAModule], layer: Int, stage: Stage
  ) -> Int {
    modules.reduce(0) { sum, module in
      let isHere = module.layer == layer && config.modules[module.module].stage == stage
      return sum + (isHere ? module.rank : 0)
    }
  }
}
