// SPDX-License-Identifier: Apache-2.0
import Glibc
import Randomness
import Testing

/// Moments of fixed streams. A tolerance is five standard errors of the mean or variance unless it
/// says otherwise; the seeds are fixed, so a test passes always or never.
@Suite struct DistributionsTests {
  private func moments(_ count: Int, _ draw: () -> Double) -> (mean: Double, variance: Double) {
    var sum = 0.0
    var squares = 0.0
    for _ in 0..<count {
      let value = draw()
      sum += value
      squares += value * value
    }
    let mean = sum / Double(count)
    return (mean, squares / Double(count) - mean * mean)
  }

  @Test func uniformDrawsHaveTheirMomentsAndBounds() {
    var stream = Seed(3).stream("uniform")
    var lowest = 1.0
    var highest = 0.0
    let (mean, variance) = moments(100_000) {
      let value = stream.uniform()
      lowest = min(lowest, value)
      highest = max(highest, value)
      return value
    }
    #expect(abs(mean - 0.5) < 0.0046)
    #expect(abs(variance - 1.0 / 12) < 0.0012)
    #expect(lowest >= 0 && lowest < 0.001 && highest < 1 && highest > 0.999)
  }

  @Test func uniformFillKeepsToItsHalfOpenRange() {
    var stream = Seed(3).stream("fill")
    var values = [Float](repeating: 0, count: 65_536)
    values.withUnsafeMutableBufferPointer { stream.fillUniform($0, bound: 0.25) }
    #expect(values.allSatisfy { $0 >= -0.25 && $0 < 0.25 })
    let mean = values.reduce(0.0) { $0 + Double($1) } / 65_536
    #expect(abs(mean) < 0.0029)
    #expect(stream.position == 65_536)
  }

  @Test func normalDrawsHaveTheirMoments() {
    var stream = Seed(3).stream("normal")
    let (mean, variance) = moments(100_000) { stream.normal() }
    #expect(abs(mean) < 0.016)
    #expect(abs(variance - 1) < 0.023)
  }

  @Test func normalTailIsThatOfTheNormalDistribution() {
    var stream = Seed(3).stream("tail")
    let beyond = (0..<100_000).reduce(0) { count, _ in
      abs(stream.normal()) > 1.959963984540054 ? count + 1 : count
    }
    #expect(abs(beyond - 5_000) < 345)
  }

  @Test func normalFillScalesAndFillsOddLengths() {
    var stream = Seed(3).stream("noise")
    var values = [Float](repeating: .nan, count: 99_999)
    values.withUnsafeMutableBufferPointer { stream.fillNormal($0, standardDeviation: 2) }
    let squares = values.reduce(0.0) { $0 + Double($1) * Double($1) } / 99_999
    #expect(abs(squares - 4) < 0.09)
    #expect(values.allSatisfy { $0.isFinite })
  }

  /// Mean and variance of ln Gamma(a) are digamma(a) and trigamma(a); values of SciPy 1.17.
  @Test(arguments: [
    (0.001, -1000.5755719318103, 1000001.6425331958),
    (0.1, -10.423754940411076, 101.43329915079276),
    (0.5, -1.9635100260214235, 4.934802200544679),
    (1.0, -0.5772156649015329, 1.6449340668482264),
    (10.0, 2.251752589066721, 0.10516633568168575),
  ])
  func logGammaDrawsHaveTheirMoments(shape: Double, mean: Double, variance: Double) {
    var stream = Seed(3).stream("gamma", "\(shape)")
    let count = 50_000
    let found = moments(count) { stream.logGamma(shape: shape) }
    #expect(abs(found.mean - mean) < 5 * (variance / Double(count)).squareRoot())
    #expect(abs(found.variance / variance - 1) < 0.08)
  }

  /// Mean 1/K and variance (1/K)(1 - 1/K)/(K alpha + 1) of each share.
  @Test(arguments: [0.05, 0.5, 1, 10, 1000])
  func dirichletSharesHaveTheirMoments(alpha: Double) {
    var stream = Seed(3).stream("dirichlet", "\(alpha)")
    let count = 20_000
    let found = moments(count) { stream.dirichlet(concentration: alpha, count: 5)[2] }
    let variance = 0.2 * 0.8 / (5 * alpha + 1)
    #expect(abs(found.mean - 0.2) < 5 * (variance / Double(count)).squareRoot())
    #expect(abs(found.variance / variance - 1) < 0.08)
  }

  @Test(arguments: [Double.leastNonzeroMagnitude, 1e-300, 1e-9, 0.001, 0.01, 1e9, 1e300])
  func dirichletHoldsForExtremeConcentrations(alpha: Double) {
    var stream = Seed(3).stream("extreme", "\(alpha)")
    for count in [1, 2, 50] {
      for _ in 0..<20 {
        let shares = stream.dirichlet(concentration: alpha, count: count)
        #expect(shares.allSatisfy { $0 >= 0 && $0 <= 1 })
        #expect(abs(shares.reduce(0, +) - 1) < 1e-12)
      }
    }
  }

  @Test func unequalShapesGiveTheirShares() {
    var stream = Seed(3).stream("shapes")
    var sums = [0.0, 0, 0]
    for _ in 0..<20_000 {
      for (index, share) in stream.dirichlet(shapes: [1, 2, 5]).enumerated() {
        sums[index] += share / 20_000
      }
    }
    for (sum, expected) in zip(sums, [0.125, 0.25, 0.625]) { #expect(abs(sum - expected) < 0.006) }
  }

  @Test func portableFunctionsAgreeWithTheCLibrary() {
    var stream = Seed(3).stream("math")
    for _ in 0..<20_000 {
      let x = PortableMath.exp(1_400 * stream.uniform() - 700)
      #expect(abs(PortableMath.log(x) - Glibc.log(x)) <= 2 * Glibc.log(x).ulp)
      let y = 1_400 * stream.uniform() - 700
      #expect(abs(PortableMath.exp(y) / Glibc.exp(y) - 1) < 5e-16)
      let z = 1 + 0.01 * (stream.uniform() - 0.5)
      #expect(abs(PortableMath.log(z) - Glibc.log(z)) <= 2 * Glibc.log(z).ulp)
      let w = 1e-6 * (stream.uniform() - 0.5)
      #expect(abs(PortableMath.log1p(w) - Glibc.log1p(w)) <= 4 * Glibc.log1p(w).ulp)
    }
    for exponent in [-1074, -1022, -1, 0, 1, 10, 1023] {
      let power = Double(sign: .plus, exponent: exponent, significand: 1)
      #expect(PortableMath.log2(power) == Double(exponent))
    }
    #expect(PortableMath.log(0) == -.infinity)
    #expect(PortableMath.log(-1).isNaN)
    #expect(PortableMath.exp(-800) == 0)
    #expect(PortableMath.exp(800) == .infinity)
    #expect(PortableMath.exp(0) == 1)
    #expect(abs(PortableMath.exp(-740) / Glibc.exp(-740) - 1) < 1e-2)
  }
}
