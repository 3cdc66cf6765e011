// SPDX-License-Identifier: Apache-2.0

/// Floating-point operations that a row of tokens cannot do without: a multiplication and an addition
/// are two. What a memory plan computes again does not count, nor do element-wise passes.
package struct DecoderWork: Sendable, Equatable {
  /// Products with the frozen weights of the layers, and what adapters add to them.
  package var products = 0.0
  /// The other products of adapters: into the rank, and the gradients of the factors.
  package var adapters = 0.0
  package var attention = 0.0
  /// Logits at target positions, and the gradient of their hidden states.
  package var loss = 0.0

  package init() {}

  package var total: Double { products + adapters + attention + loss }

  package static func += (left: inout DecoderWork, right: DecoderWork) {
    left.products += right.products
    left.adapters += right.adapters
    left.attention += right.attention
    left.loss += right.loss
  }
}

extension DecoderWork {
  /// The work of `rows` examples of these lengths with `targets` targets in all.
  ///
  /// Forward, a frozen map of I inputs and O outputs takes 2·I·O a token; backward the same again for
  /// the gradient of its input, where anything below is adapted. A LoRA module takes 2·r·(I + O)
  /// forward and twice that backward. Causal attention looks at n(n + 1)/2 pairs of an example of n
  /// tokens (fewer with a window): two products forward and five backward. The logits of a target take
  /// 2·C·V, and so does the gradient of its hidden state. The last layer's maps after attention count at
  /// targets only.
  package init(
    lengths: [Int], targets: Int, config: DecoderConfig, modules: [LoRAModule], trains: Bool
  ) {
    guard targets > 0 else { return }
    let tokens = Double(lengths.reduce(0, +))
    let width = Double(config.headCount * config.headSize)
    let lowest = modules.map { ($0.layer, config.modules[$0.module].stage) }.min(by: <)
    for layer in 0..<config.layerCount {
      let isTop = layer == config.layerCount - 1
      for module in config.modules {
        let rows = isTop && module.stage > .attentionInput ? Double(targets) : tokens
        let map = 2 * Double(config.inputs(of: module.stage)) * Double(module.outputs) * rows
        let hasGradient = trains && (lowest.map { $0 < (layer, module.stage) } ?? false)
        products += hasGradient ? 2 * map : map
      }
      let pairs = lengths.reduce(0.0) {
        $0 + Self.pairs(Double($1), window: config.windows[layer].map(Double.init))
      }
      let hasGradient = trains && (lowest.map { $0 <= (layer, .attentionInput) } ?? false)
      attention += 4 * width * pairs * (hasGradient ? 3.5 : 1)
    }
    for module in modules {
      let isUpper =
        module.layer == config.layerCount - 1
        && config.modules[module.module].stage > .attentionInput
      let unit = 2 * Double(module.rank) * (isUpper ? Double(targets) : tokens)
      let (inputs, outputs) = (Double(module.inputs), Double(module.outputs))
      adapters += unit * (trains ? 2 * (inputs + outputs) : inputs)
      products += unit * (trains ? inputs + outputs : outputs)
    }
    loss =
      (trains ? 4 : 2) * Double(config.hiddenSize) * Double(config.vocabularySize)
      * Double(targets)
  }

  /// Pairs of a query and a key that it sees, in an example of `n` tokens.
  private static func pairs(_ n: Double, window: Double?) -> Double {
    guard let window, window < n else { return n * (n + 1) / 2 }
    return window * (window + 1) / 2 + (n - window) * window
  }
}
