// SPDX-License-Identifier: Apache-2.0
package import Examples

/// How well a model foresees the targets of one example.
package struct Likelihood: Sendable, Equatable {
  /// Sum of -log p over the targets, nats.
  package var nll: Double
  package var targetTokens: Int
  /// Targets that were the model's first choice.
  package var correctTokens: Int
  /// -log p of each target, nats; empty where nobody asked.
  package var losses: [Float] = []

  package init(nll: Double, targetTokens: Int, correctTokens: Int, losses: [Float] = []) {
    self.losses = losses
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

/// Somebody with a model that answers.
package protocol AnswerProvider {
  /// The likeliest answers to prompts that are computed together, as text, in their order.
  func answers(to prompts: [[Int32]]) throws -> [String]
}
