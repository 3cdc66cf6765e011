// SPDX-License-Identifier: Apache-2.0

/// What the forward pass leaves of a layer for the backward pass.
///
/// What is not kept is computed again from what is, by the same operations on the same values, so
/// the results have the same bits.
package enum KeptPart: Sendable, Equatable {
  case all
  /// What attention reads and returns; the rest is computed again from that and the layer's input.
  case attention
  /// The layer's input alone.
  case input
}

/// What a model's buffers will take, decided before anything is allocated.
package struct MemoryPlan: Sendable, Equatable {
  /// Tokens of the largest packed row.
  package let rows: Int
  package let layerCount: Int
  /// Layers that the backward pass goes through.
  package let trainedLayers: Int
  /// Layers, from the top, of which all is kept.
  package let keptLayers: Int
  /// Layers below those of which attention is kept.
  package let attentionLayers: Int
  /// Bytes of the base model's file that stay mapped.
  package let mappedBytes: Int
  /// Bytes of one layer's activations by half: up to what attention returns, and above.
  package let attentionBytes: Int
  package let upperBytes: Int
  /// Bytes of the inputs of the trained layers and of the last layer's output.
  package let residualBytes: Int
  /// Bytes of the buffers that every layer uses anew.
  package let scratchBytes: Int
  /// Bytes of LoRA factors and, in training, of their gradients.
  package let adapterBytes: Int

  /// The plan for rows of `rows` tokens.
  ///
  /// With a budget it is the one that computes least again. A product costs the same work for each
  /// byte that it gives back, whichever it is, but attention's cost grows with the context: what lies
  /// above attention is cheaper a byte, the more so the longer the context. Costs are in
  /// multiplications a token; ties go to the plan that takes less memory.
  ///
  /// - Parameters:
  ///   - modules: what is trained; empty for scoring, which keeps nothing.
  ///   - budget: bytes for ``allocatedBytes``; nil keeps everything. Where none fits, the plan is the
  ///     smallest there is.
  ///   - context: tokens of an example, for the cost of attention.
  package init(
    config: DecoderConfig, modules: [LoRAModule], rows: Int, budget: Int? = nil,
    context: Int? = nil, mappedBytes: Int = 0, trains: Bool
  ) {
    self.rows = rows
    self.mappedBytes = mappedBytes
    layerCount = config.layerCount
    let lowest = modules.map(\.layer).min()
    let trained = trains ? lowest.map { config.layerCount - $0 } ?? 0 : 0
    trainedLayers = trained
    let factors = modules.reduce(0) { $0 + $1.parameterCount }
    adapterBytes = 4 * factors * (trains ? 2 : 1)
    let widths = Self.halfWidths(config, modules: modules)
    attentionBytes = 4 * rows * widths.attention
    upperBytes = 4 * rows * widths.upper
    residualBytes = 4 * rows * config.hiddenSize * (trained + 1)
    let scratch = Workspace.scratchWidths(config, modules: modules, trains: trains)
    scratchBytes = 4 * rows * scratch.reduce(0) { $0 + $1.width }
    guard let budget else {
      (keptLayers, attentionLayers) = (trained, 0)
      return
    }
    let left = budget - residualBytes - scratchBytes - adapterBytes
    let cost = Self.recomputation(config, context: context ?? rows)
    var best = (kept: 0, attention: 0, cost: Int.max, bytes: Int.max)
    for kept in 0...trained {
      for attention in 0...trained - kept {
        let bytes = Self.activationBytes(
          kept: kept, attention: attention, layers: config.layerCount,
          attentionBytes: attentionBytes, upperBytes: upperBytes)
        let isSmallest = kept == 0 && attention == 0
        guard bytes <= left || isSmallest else { continue }
        let work =
          cost.upper * (trained - kept) + cost.attention * (trained - kept - attention)
        if (work, bytes) < (best.cost, best.bytes) { best = (kept, attention, work, bytes) }
      }
    }
    (keptLayers, attentionLayers) = (best.kept, best.attention)
  }

  /// Bytes of all activations, those that layers share included.
  package var activationBytes: Int {
    Self.activationBytes(
      kept: keptLayers, attention: attentionLayers, layers: layerCount,
      attentionBytes: attentionBytes, upperBytes: upperBytes)
  }

  /// Bytes of the activations that layers share since they are not kept.
  package var sharedActivationBytes: Int {
    (keptLayers + attentionLayers < layerCount ? attentionBytes : 0)
      + (keptLayers < layerCount ? upperBytes : 0)
  }

  /// Bytes of all buffers of the model; besides them there are the mapped weights, what the device
  /// needs for its operations, and the optimizer.
  package var allocatedBytes: Int {
    activationBytes + residualBytes + scratchBytes + adapterBytes
  }

  /// What is kept of a layer.
  package func part(_ layer: Int) -> KeptPart {
    if layer >= layerCount - keptLayers { return .all }
    return layer >= layerCount - keptLayers - attentionLayers ? .attention : .input
  }

  private static func activationBytes(
    kept: Int, attention: Int, layers: Int, attentionBytes: Int, upperBytes: Int
  ) -> Int {
    attentionBytes * (kept + attention + (kept + attention < layers ? 1 : 0))
      + upperBytes * (kept + (kept < layers ? 1 : 0))
  }

  /// Multiplications a token to compute a half of a layer again.
  private static func recomputation(
    _ config: DecoderConfig, context: Int
  ) -> (attention: Int, upper: Int) {
    let attention = config.headCount * config.headSize
    let keyValue = config.keyValueHeadCount * config.headSize
    return (
      config.hiddenSize * (attention + 2 * keyValue) + attention * context,
      config.hiddenSize * (attention + 2 * config.intermediateSize)
    )
  }

  /// Values a token that the activations of a layer take, by half.
  static func halfWidths(
    _ config: DecoderConfig, modules: [LoRAModule]
  ) -> (attention: Int, upper: Int) {
    var widest = (attention: 0, upper: 0)
    for layer in 0..<config.layerCount {
      var sum = (attention: 0, upper: 0)
      for tensor in Saved.allCases {
        let width = tensor.width(config) {
          rank(config, modules: modules, layer: layer, stage: $0)
        }
        if tensor.followsAttention { sum.upper += width } else { sum.attention += width }
      }
      widest.attention = max(widest.attention, sum.attention)
      widest.upper = max(widest.upper, sum.upper)
    }
    return widest
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
