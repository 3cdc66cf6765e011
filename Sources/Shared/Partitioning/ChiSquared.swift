// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// The chi-squared distribution.
package enum ChiSquared {
  /// The probability of a value of at least `x`; 1 without degrees of freedom.
  ///
  /// The regularised upper incomplete gamma function Q(f/2, x/2): its series below f/2 + 1, its
  /// continued fraction by Lentz's method above (Abramowitz and Stegun 6.5.29 and 6.5.31). Relative
  /// error about 1e-12 for up to a million degrees of freedom.
  package static func upperTail(_ x: Double, degreesOfFreedom: Int) -> Double {
    if degreesOfFreedom < 1 || x <= 0 { return 1 }
    let a = Double(degreesOfFreedom) / 2
    let z = x / 2
    let logFactor = a * PortableMath.log(z) - z - logGamma(a)
    if z < a + 1 { return max(0, 1 - series(a, z) * PortableMath.exp(logFactor)) }
    return min(1, continuedFraction(a, z) * PortableMath.exp(logFactor))
  }

  private static let iterationLimit = 1_000_000

  /// sum z^n / (a (a+1) … (a+n))
  private static func series(_ a: Double, _ z: Double) -> Double {
    var term = 1 / a
    var sum = term
    var denominator = a
    for _ in 0..<iterationLimit {
      denominator += 1
      term *= z / denominator
      sum += term
      if term < sum * 1e-17 { break }
    }
    return sum
  }

  /// 1/(z+1-a- 1(1-a)/(z+3-a- 2(2-a)/(z+5-a- …)))
  private static func continuedFraction(_ a: Double, _ z: Double) -> Double {
    let tiny = 1e-300
    var b = z + 1 - a
    var c = 1 / tiny
    var d = 1 / b
    var value = d
    for step in 1...iterationLimit {
      let numerator = -Double(step) * (Double(step) - a)
      b += 2
      d = numerator * d + b
      if abs(d) < tiny { d = tiny }
      c = b + numerator / c
      if abs(c) < tiny { c = tiny }
      d = 1 / d
      let factor = d * c
      value *= factor
      if abs(factor - 1) < 1e-16 { break }
    }
    return value
  }

  /// ln Γ(x) for x > 0: Stirling's series above 15, the recurrence below.
  package static func logGamma(_ x: Double) -> Double {
    var argument = x
    var product = 1.0
    while argument < 15 {
      product *= argument
      argument += 1
    }
    let inverse = 1 / argument
    let square = inverse * inverse
    let coefficients = [
      1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188, -691.0 / 360_360, 1.0 / 156,
    ]
    let correction = coefficients.reversed().reduce(0) { $0 * square + $1 } * inverse
    let halfLogTwoPi = 0.918_938_533_204_672_8
    return (argument - 0.5) * PortableMath.log(argument) - argument + halfLogTwoPi + correction
      - PortableMath.log(product)
  }
}
