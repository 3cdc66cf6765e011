// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// How unequally an amount (records, tokens, sentences) is spread over the clients.
package struct QuantityIndices: Sendable, Equatable {
  /// Gini coefficient with the small-sample factor K / (K - 1): 0 if all have the same, 1 if one has
  /// everything, whatever K is.
  package let gini: Double
  /// exp of the entropy of the clients' shares: how many clients of equal size would be as even.
  package let effectiveClients: Double

  /// - Parameter amounts: one a client, not negative.
  package init(_ amounts: [Double]) {
    let sorted = amounts.sorted()
    let count = Double(sorted.count)
    let total = sorted.reduce(0, +)
    if sorted.count > 1 && total > 0 {
      var weighted = 0.0
      for (index, amount) in sorted.enumerated() { weighted += Double(index + 1) * amount }
      let plain = 2 * weighted / (count * total) - (count + 1) / count
      gini = min(1, max(0, plain * count / (count - 1)))
    } else {
      gini = 0
    }
    effectiveClients =
      total > 0 ? PortableMath.exp(Entropy.bits(amounts) * 0.693_147_180_559_945_3) : 0
  }
}
