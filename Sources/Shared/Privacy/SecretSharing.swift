// SPDX-License-Identifier: Apache-2.0
package import Randomness

/// Numbers modulo the prime 2⁶¹ − 1.
package enum PrimeField {
  package static let prime: UInt64 = (1 << 61) - 1

  package static func add(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let sum = a + b
    return sum >= prime ? sum - prime : sum
  }

  package static func subtract(_ a: UInt64, _ b: UInt64) -> UInt64 { a >= b ? a - b : a + prime - b }

  package static func multiply(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    // 2⁶¹ is 1: the upper 61 bits are added to the lower ones.
    let low = product.low & prime
    let high = product.high << 3 | product.low >> 61
    return add(low, high >= prime ? high - prime : high)
  }

  package static func power(_ base: UInt64, _ exponent: UInt64) -> UInt64 {
    var (result, square, left) = (UInt64(1), base, exponent)
    while left > 0 {
      if left & 1 == 1 { result = multiply(result, square) }
      square = multiply(square, square)
      left >>= 1
    }
    return result
  }

  /// Of a number other than 0.
  package static func inverse(_ a: UInt64) -> UInt64 { power(a, prime - 2) }
}

/// Shamir's secret sharing (1979): a secret in `count` shares, of which any `threshold` give it back and
/// fewer say nothing.
package enum SecretSharing {
  /// Share k is the value at k + 1 of a random polynomial whose value at 0 is `secret`.
  package static func shares(
    of secret: UInt64, count: Int, threshold: Int, using random: inout Philox
  ) -> [UInt64] {
    let coefficients =
      [secret % PrimeField.prime]
      + (1..<max(1, threshold)).map { _ in random.next() % PrimeField.prime }
    return (1...max(1, count)).map { x in
      coefficients.reversed().reduce(0) {
        PrimeField.add(PrimeField.multiply($0, UInt64(x)), $1)
      }
    }
  }

  /// The secret of at least as many shares as the threshold (Lagrange interpolation at 0).
  package static func secret(of shares: [(index: Int, value: UInt64)]) -> UInt64 {
    shares.reduce(0) { sum, share in
      var (numerator, denominator) = (share.value, UInt64(1))
      for other in shares where other.index != share.index {
        numerator = PrimeField.multiply(numerator, UInt64(other.index + 1))
        denominator = PrimeField.multiply(
          denominator, PrimeField.subtract(UInt64(other.index + 1), UInt64(share.index + 1)))
      }
      return PrimeField.add(
        sum, PrimeField.multiply(numerator, PrimeField.inverse(denominator)))
    }
  }
}
