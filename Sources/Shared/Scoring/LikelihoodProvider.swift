// SPDX-License-Identifier: Apache-2.0
package import Examples

/// How well a model foresees the targets of one example.
package struct Likelihood: Sendable, Equatable {
  /// Sum of -log p over the targets, nats.
  package var nll: Double
  package var targetTokens: Int
  /// Targets that were the model's first choice.
  package var correctTokens: Int

  package init(nll: Double, targetTokens: Int, correctTokens: Int) {
    self.nll = nll
    self.targetTokens = targetTokens
    self.correctTokens = correctTokens
  }
}

/// Somebody with a model. What it says of an example must not depend on the others in the row.
package protocol LikelihoodProvider {
  /// The likelihoods of examples that are computed together, in their order.
  func likelihoods(of row: [Example]) throws -> [Likelihood]
}
