// SPDX-License-Identifier: Apache-2.0
import Privacy
import Randomness
import Testing

@Suite struct PrivacyAccountantTests {
  /// ε and order of Opacus 4d0ebc84 (`opacus.accountants.analysis.rdp`) with its default orders.
  @Test(arguments: [
    (0.01, 1.1, 1000, 1e-5, 1.711770, 9.6), (0.1, 1, 100, 1e-5, 7.899255, 3.2),
    (0.2, 1.5, 50, 1e-5, 5.826629, 4.1), (1, 4, 20, 1e-5, 5.377728, 5.0),
    (0.5, 2, 10, 1e-4, 3.777318, 4.7),
  ])
  func epsilonIsThatOfOpacus(
    rate: Double, noise: Double, rounds: Int, delta: Double, epsilon: Double, order: Double
  ) {
    let found = PrivacyAccountant(rate: rate, noise: noise, rounds: rounds).epsilon(delta: delta)
    #expect(abs(found.epsilon - epsilon) < 1e-6)
    #expect(abs(found.order - order) < 1e-9)
  }

  @Test func lossGrowsWithRoundsAndRateAndFallsWithNoise() {
    func epsilon(_ rate: Double, _ noise: Double, _ rounds: Int) -> Double {
      PrivacyAccountant(rate: rate, noise: noise, rounds: rounds).epsilon(delta: 1e-5).epsilon
    }
    #expect(epsilon(0.1, 1, 10) < epsilon(0.1, 1, 20))
    #expect(epsilon(0.1, 1, 10) < epsilon(0.2, 1, 10))
    #expect(epsilon(0.1, 1, 10) > epsilon(0.1, 2, 10))
    // A rate just below 1 has no better formula than 1 itself, but must not be worse by much.
    #expect(epsilon(0.999, 4, 20) <= epsilon(1, 4, 20) * 1.01)
    #expect(epsilon(0.1, 0, 10) == .infinity)
  }
}

@Suite struct AdaptiveClipTests {
  @Test func normFollowsTheQuantile() {
    let clip = AdaptiveClip()
    // exp(0.2 · 0.5) and exp(−0.2 · 0.5).
    #expect(abs(clip.next(1, unclipped: 0, clients: 10, draw: 0) - 1.1051709180756477) < 1e-12)
    #expect(abs(clip.next(1, unclipped: 10, clients: 10, draw: 0) - 0.9048374180359595) < 1e-12)
    #expect(clip.next(3, unclipped: 5, clients: 10, draw: 0) == 3)
    // Norms 1...100: the clip settles at their median.
    var norm = 0.1
    for _ in 0..<300 {
      let below = (1...100).filter { Double($0) <= norm }.count
      norm = clip.next(norm, unclipped: below, clients: 100, draw: 0)
    }
    #expect(abs(norm - 50) < 2)
  }

  @Test func countPaysItsPartOfTheBudget() throws {
    let noise = try #require(AdaptiveClip.updateNoise(1, clients: 100))
    // (1 − 1/100)^(−1/2): σ_b = 5.
    #expect(abs(noise - 1.0050378152592121) < 1e-12)
    #expect(AdaptiveClip.updateNoise(1, clients: 10) == nil)
  }
}

@Suite struct SecureSumTests {
  private static func values(_ client: Int, _ count: Int) -> [UInt32] {
    var random = Seed(UInt64(client)).stream("values")
    return (0..<count).map { _ in FixedPoint.encode(4 * random.uniform() - 2) }
  }

  @Test(arguments: [(1, []), (2, []), (5, []), (5, [0]), (7, [2, 6]), (9, [0, 4, 8])])
  func masksCancelToTheBit(clients: Int, lost: [Int]) throws {
    let secure = SecureSum(clients: clients, seed: Seed(3), context: ["round", "1"])
    let survivors = (0..<clients).filter { !lost.contains($0) }
    let opening = try #require(secure.opening(survivors: survivors))
    for part in 0..<2 {
      let uploads = survivors.map { secure.upload(of: $0, Self.values($0, 100), part: part) }
      let expected = survivors.reduce([UInt32](repeating: 0, count: 100)) { sum, client in
        zip(sum, Self.values(client, 100)).map { $0 &+ $1 }
      }
      #expect(secure.sum(uploads, part: part, opening) == expected)
    }
  }

  @Test func tooFewSurvivorsOpenNothing() {
    let secure = SecureSum(clients: 9, seed: Seed(3), context: [])
    #expect(secure.threshold == 6)
    #expect(secure.opening(survivors: [0, 1, 2, 3, 4]) == nil)
    #expect(secure.opening(survivors: [0, 1, 2, 3, 4, 8]) != nil)
  }

  /// One upload alone looks like noise: its bits are even, and equal values are masked apart.
  @Test func anUploadTellsNothing() {
    let secure = SecureSum(clients: 3, seed: Seed(3), context: [])
    let upload = secure.upload(of: 1, [UInt32](repeating: 7, count: 4096), part: 0)
    for bit in 0..<32 {
      let ones = upload.filter { $0 >> UInt32(bit) & 1 == 1 }.count
      // Six standard deviations of a fair coin.
      #expect(abs(ones - 2048) < 192)
    }
    #expect(Set(upload).count > 4090)
    #expect(secure.upload(of: 1, [7], part: 1) != secure.upload(of: 1, [7], part: 0))
  }

  @Test func sharesBelowTheThresholdDoNotGiveTheSecret() {
    var random = Seed(1).stream("shares")
    let secret: UInt64 = 123_456_789_012_345
    let shares = SecretSharing.shares(of: secret, count: 5, threshold: 3, using: &random)
    for subset in [[0, 1, 2], [4, 2, 0], [1, 3, 4], [0, 1, 2, 3, 4]] {
      #expect(SecretSharing.secret(of: subset.map { ($0, shares[$0]) }) == secret)
    }
    #expect(SecretSharing.secret(of: [(0, shares[0]), (1, shares[1])]) != secret)
  }

  @Test func fieldIsAField() {
    var random = Seed(1).stream("field")
    for _ in 0..<100 {
      let a = 1 + random.next() % (PrimeField.prime - 1)
      let b = random.next() % PrimeField.prime
      #expect(PrimeField.multiply(a, PrimeField.inverse(a)) == 1)
      #expect(PrimeField.add(PrimeField.subtract(b, a), a) == b)
      #expect(PrimeField.multiply(a, b) == PrimeField.multiply(b, a))
    }
    #expect(PrimeField.power(2, 61) == 1)
  }

  @Test func fixedPointKeepsItsStep() {
    for value in [-8.0, -1.25, -1e-9, 0, 1e-8, 0.1, 3.999, 8] {
      #expect(abs(FixedPoint.decode(FixedPoint.encode(value)) - value) <= FixedPoint.step / 2)
    }
    #expect(FixedPoint.decode(FixedPoint.encode(100)) == 8)
    #expect(FixedPoint.decode(FixedPoint.encode(-.infinity)) == -8)
  }
}
