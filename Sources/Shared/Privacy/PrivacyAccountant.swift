// SPDX-License-Identifier: Apache-2.0
import Glibc

// Privacy: what a noisy mean gives away, and how many can add up what nobody else may see. Arithmetic
// on numbers alone; knows nothing of adapters, records or files.

/// The privacy loss of a Gaussian mechanism on Poisson samples, by Rényi divergences (Mironov, Talwar,
/// Zhang 2019, https://arxiv.org/abs/1908.10530, section 3.3; conversion: Balle et al. 2020,
/// https://arxiv.org/abs/1905.09982, theorem 21). Orders and bounds are those of Opacus, whose
/// results it gives.
///
/// Holds for neighbours that differ by one whole participant (added or removed), each taking part in a
/// round with probability ``rate`` independently of all others.
package struct PrivacyAccountant: Sendable, Equatable {
  /// Probability to take part in one round, in (0, 1].
  package var rate: Double
  /// Standard deviation of the noise over the sensitivity; above 0.
  package var noise: Double
  package var rounds: Int

  package init(rate: Double, noise: Double, rounds: Int) {
    self.rate = rate
    self.noise = noise
    self.rounds = rounds
  }

  /// The least ε over all orders for this δ, and its order; infinite without noise.
  package func epsilon(delta: Double) -> (epsilon: Double, order: Double) {
    var best = (epsilon: Double.infinity, order: 0.0)
    guard rate > 0, rate <= 1, noise > 0, rounds > 0, delta > 0, delta < 1 else { return best }
    for order in Self.orders {
      let divergence =
        rate == 1
        ? order / (2 * noise * noise) : Self.logMoment(rate, noise, order) / (order - 1)
      let epsilon =
        Double(rounds) * divergence - (log(delta) + log(order)) / (order - 1)
        + log((order - 1) / order)
      if epsilon < best.epsilon { best = (max(0, epsilon), order) }
    }
    return best
  }

  /// 1.1, 1.2, …, 10.9 and 12, 13, …, 63.
  private static let orders = (1...99).map { 1 + Double($0) / 10 } + (12...63).map(Double.init)

  /// ln A_α, the α-th moment of the ratio of densities.
  private static func logMoment(_ q: Double, _ sigma: Double, _ order: Double) -> Double {
    order == order.rounded()
      ? integerMoment(q, sigma, Int(order)) : fractionalMoment(q, sigma, order)
  }

  private static func integerMoment(_ q: Double, _ sigma: Double, _ order: Int) -> Double {
    let a = Double(order)
    return (0...order).reduce(-Double.infinity) { sum, index in
      let i = Double(index)
      return logSum(
        sum,
        lgamma(a + 1) - lgamma(i + 1) - lgamma(a - i + 1) + i * log(q) + (a - i) * log(1 - q)
          + (i * i - i) / (2 * sigma * sigma))
    }
  }

  private static func fractionalMoment(_ q: Double, _ sigma: Double, _ a: Double) -> Double {
    var (left, right) = (-Double.infinity, -Double.infinity)
    let z = sigma * sigma * log(1 / q - 1) + 0.5
    // The binomial coefficients of a, which change sign beyond it.
    var coefficient = 1.0
    for index in 0..<10_000 {
      let i = Double(index)
      let j = a - i
      let logCoefficient = log(coefficient.magnitude)
      let first =
        logCoefficient + i * log(q) + j * log(1 - q) + (i * i - i) / (2 * sigma * sigma) + log(0.5)
        + logErfc((i - z) / (2.0.squareRoot() * sigma))
      let second =
        logCoefficient + j * log(q) + i * log(1 - q) + (j * j - j) / (2 * sigma * sigma) + log(0.5)
        + logErfc((z - j) / (2.0.squareRoot() * sigma))
      left = coefficient > 0 ? logSum(left, first) : logDifference(left, first)
      right = coefficient > 0 ? logSum(right, second) : logDifference(right, second)
      coefficient *= (a - i) / (i + 1)
      if max(first, second) < -30 { break }
    }
    return logSum(left, right)
  }

  private static func logErfc(_ x: Double) -> Double {
    let value = x < 25 ? erfc(x) : 0
    return value > 0 ? log(value) : -x * x - log(x * Double.pi.squareRoot())
  }

  private static func logSum(_ a: Double, _ b: Double) -> Double {
    if a == -.infinity { return b }
    if b == -.infinity { return a }
    return max(a, b) + log1p(exp(min(a, b) - max(a, b)))
  }

  private static func logDifference(_ a: Double, _ b: Double) -> Double {
    if b == -.infinity { return a }
    return a <= b ? -.infinity : a + log1p(-exp(b - a))
  }
}
