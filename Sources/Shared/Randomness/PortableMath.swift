// SPDX-License-Identifier: Apache-2.0

/// Elementary functions from additions, multiplications and divisions alone.
///
/// The C library's may differ in the last bit between versions and processors (it picks kernels with
/// fused operations at run time). What is drawn at random and what a plan prints must not, so they
/// use these. Errors stay below 2 units in the last place; slower than the C library's.
package enum PortableMath {
  /// ln 2 with 32 significant bits, so that products with small integers are exact, and the rest.
  private static let ln2High = 0x1.62e42fee00000p-1
  private static let ln2Low = 0x1.a39ef35793c76p-33

  /// Natural logarithm. 0 gives -infinity, a negative number NaN.
  package static func log(_ x: Double) -> Double {
    if x.isNaN || x < 0 { return .nan }
    if x == 0 { return -.infinity }
    if x == .infinity { return x }
    var exponent = Int(x.exponent)
    var mantissa = x.significand
    if mantissa > 1.414_213_562_373_095_1 {
      mantissa *= 0.5
      exponent += 1
    }
    // With s = (m - 1) / (m + 1): ln m = 2 (s + s³/3 + s⁵/5 + …), |s| < 0.172.
    let difference = mantissa - 1
    let s = difference / (mantissa + 1)
    let square = s * s
    var tail = 0.0
    for odd in stride(from: 25, through: 3, by: -2) {
      tail = square * (tail + 1 / Double(odd))
    }
    let scale = Double(exponent)
    // 2s = d - s·d, which keeps the large part d exact.
    return scale * ln2High + (difference - (s * (difference - 2 * tail) - scale * ln2Low))
  }

  /// e to the power x. Underflows to 0, overflows to infinity.
  package static func exp(_ x: Double) -> Double {
    if x.isNaN { return x }
    if x > 709.79 { return .infinity }
    if x < -745.14 { return 0 }
    let count = (x / 0.693_147_180_559_945_3).rounded(.toNearestOrEven)
    let reduced = (x - count * ln2High) - count * ln2Low
    // Horner's scheme for the Taylor series, |reduced| < 0.347.
    var sum = 1.0
    for term in stride(from: 14, through: 1, by: -1) {
      sum = 1 + reduced * sum / Double(term)
    }
    // In two steps, so that neither power of two overflows before the product does.
    let half = Int(count) / 2
    return scaled(scaled(sum, by: half), by: Int(count) - half)
  }

  /// Logarithm to base 2; exact for powers of two.
  package static func log2(_ x: Double) -> Double {
    if x.isFinite, x > 0, x.significand == 1 { return Double(x.exponent) }
    return log(x) / 0.693_147_180_559_945_3
  }

  /// ln(1 + x) for x > -1, accurate near 0.
  package static func log1p(_ x: Double) -> Double {
    let sum = 1 + x
    if sum == 1 { return x }
    return log(sum) * (x / (sum - 1))
  }

  private static func scaled(_ value: Double, by exponent: Int) -> Double {
    Double(sign: .plus, exponent: exponent, significand: value)
  }
}
