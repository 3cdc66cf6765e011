// SPDX-License-Identifier: Apache-2.0

/// How well a model foresees the targets of one example.
package struct Likelihood: Sendable, Equatable {
  /// Sum of -log p over the targets, nats.
  package var nll: Double
  /// Targets summed over: each has a token before it.
  package var targetTokens: Int
  /// Targets that were the model's first choice.
  package var correctTokens: Int

  package init(nll: Double, targetTokens: Int, correctTokens: Int) {
    self.nll = nll
    self.targetTokens = targetTokens
    self.correctTokens = correctTokens
  }
}
