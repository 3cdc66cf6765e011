// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A clipping norm that follows a quantile of the updates' norms (Andrew et al. 2021,
/// https://arxiv.org/abs/1905.03871, algorithm 1): C ← C · exp(−η (b̄ − γ)) with b̄ a noisy share of the
/// clients whose norm was at most C. Part of the privacy budget pays for b̄, so that the updates need
/// more noise for the same guarantee.
package struct AdaptiveClip: Sendable, Equatable {
  /// γ: the quantile aimed at.
  package var quantile: Double
  /// η: speed.
  package var rate: Double

  package init(quantile: Double = 0.5, rate: Double = 0.2) {
    self.quantile = quantile
    self.rate = rate
  }

  /// Standard deviation of the noise on the count of unclipped clients: a twentieth of the clients.
  package static func countDeviation(clients: Int) -> Double { Double(clients) / 20 }

  /// The noise multiplier that the updates need, so that together with the count's noise the guarantee
  /// is that of `noise` alone: (z⁻² − (2σ_b)⁻²)^(−½); nil where the count alone gives away more.
  package static func updateNoise(_ noise: Double, clients: Int) -> Double? {
    let deviation = 2 * countDeviation(clients: clients)
    guard noise > 0, deviation > noise else { return nil }
    return 1 / (1 / (noise * noise) - 1 / (deviation * deviation)).squareRoot()
  }

  /// The next norm.
  ///
  /// - Parameters:
  ///   - unclipped: clients whose norm was at most `norm`.
  ///   - clients: the fixed number of the mean's denominator.
  ///   - draw: a standard normal number.
  package func next(_ norm: Double, unclipped: Int, clients: Int, draw: Double) -> Double {
    let share =
      (Double(unclipped) + Self.countDeviation(clients: clients) * draw) / Double(clients)
    return norm * exp(-rate * (share - quantile))
  }
}
