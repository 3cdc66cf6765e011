// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Testing

/// Weights of quality and length, and the cap.
@Suite struct WeightShapingTests {
  private static let counts = [10.0, 30, 20, 40]

  private static func claims(_ qualities: [Double], _ lengths: [Double]) -> [WeightShaping.Claims] {
    zip(qualities, lengths).map {
      WeightShaping.Claims(qualityTokens: $0 * $1 * 1e9, tokens: $1 * 1e9, records: 1e9)
    }
  }

  private let claims = claims([0.2, 0.9, 0.5, 0.6], [100, 900, 300, 50])

  /// numpy, from the formulas: β = 1, γ = 0.5, without and with a cap of 0.5; token counts so large
  /// that the shrinkage does not show.
  @Test func sharesAreThoseOfTheFormula() throws {
    let counts = Self.counts.map { $0 / 100 }
    let qualities = [0.2, 0.9, 0.5, 0.6]
    let lengths = [100.0, 900, 300, 50]
    func mean(_ values: [Double]) -> Double { zip(values, counts).reduce(0) { $0 + $1.0 * $1.1 } }
    let centre = mean(qualities)
    let deviation = mean(qualities.map { ($0 - centre) * ($0 - centre) }).squareRoot()
    var expected = counts.indices.map { index -> Double in
      let z = min(max((qualities[index] - centre) / deviation, -2), 2)
      return counts[index] * Self.exponential(z) * (lengths[index] / mean(lengths)).squareRoot()
    }
    let sum = expected.reduce(0, +)
    expected = expected.map { $0 / sum }
    #expect(expected[1] > 0.5)
    let found = try WeightShaping(quality: 1, length: 0.5).shares(Self.counts, claims)
    for (value, reference) in zip(found, expected) { #expect(abs(value - reference) < 1e-6) }
    let capped = try WeightShaping(quality: 1, length: 0.5, maximum: 0.5)
      .shares(Self.counts, claims)
    #expect(capped[1] == 0.5)
    for index in [0, 2, 3] {
      #expect(abs(capped[index] - expected[index] / (1 - expected[1]) / 2) < 1e-6)
    }
  }

  /// exp by its series: independent of the library's.
  private static func exponential(_ x: Double) -> Double {
    var (sum, term) = (1.0, 1.0)
    for n in 1...60 {
      term *= x / Double(n)
      sum += term
    }
    return sum
  }

  @Test func withoutExponentsCountsStayToTheBit() throws {
    let plain = try ClientWeights.normalized(Self.counts)
    #expect(try WeightShaping().shares(Self.counts, claims) == plain)
    #expect(try WeightShaping(maximum: 1).shares(Self.counts, claims) == plain)
  }

  @Test(arguments: [0.25, 0.26, 0.3, 0.4, 0.7])
  func noShareIsAboveTheCap(maximum: Double) throws {
    for counts in [Self.counts, [1e9, 1, 1, 1], [5, 5, 5, 5], [1e300, 1e300, 1, 1000]] {
      let shares = try WeightShaping(maximum: maximum).shares(counts, claims)
      #expect(abs(shares.reduce(0, +) - 1) < 1e-12)
      #expect(shares.allSatisfy { $0 <= maximum * (1 + 1e-12) && $0 >= 0 })
    }
    #expect(throws: AggregationError.self) {
      try WeightShaping(maximum: 0.2).shares(Self.counts, claims)
    }
    #expect(throws: AggregationError.self) {
      try WeightShaping(maximum: maximum).shares([1, 0, 0, 0], claims)
    }
  }

  @Test func qualityIsBoundedAndFreeOfUnit() throws {
    let shaping = WeightShaping(quality: 0.5)
    let found = try shaping.shares(Self.counts, claims)
    let shifted = try shaping.shares(
      Self.counts, Self.claims([0.1, 0.45, 0.25, 0.3], [100, 900, 300, 50]))
    for (value, other) in zip(found, shifted) { #expect(abs(value - other) < 1e-6) }
    let claimed = try shaping.shares(
      Self.counts, Self.claims([1e300, 0.9, 0.5, 0.6], [100, 900, 300, 50]))
    // z is at most 2 and the other's at least −2: e^(4β) is the most that a claim can do.
    let ratio = claimed[0] / claimed[1] / (10.0 / 30)
    #expect(ratio <= Self.exponential(2) * (1 + 1e-12))
    #expect(claimed.allSatisfy { $0.isFinite })
  }

  @Test func fewTokensAreDrawnToTheMean() throws {
    let qualities = [
      WeightShaping.Claims(qualityTokens: 9, tokens: 10, records: 1),
      WeightShaping.Claims(qualityTokens: 5e6, tokens: 1e7, records: 100),
      WeightShaping.Claims(qualityTokens: 5e6, tokens: 1e7, records: 100),
    ]
    let shares = try WeightShaping(quality: 1).shares([1, 1, 1], qualities)
    // (9 + 1000 · 0.5) / 1010 is 0.004 above the mean of the others: a fifth of the least deviation.
    #expect(shares[0] > shares[1] && shares[0] < 1.3 * shares[1])
  }

  @Test func claimsAreNeededOnlyWhereTheyCount() throws {
    let sample = try SampleRound()
    var clients = SampleRound.clients(2)
    let rule = try RuleCatalog.entry("fedavg")
    let plain = try sample.bytes(try AggregationJob(rule).adapter(try sample.files(clients)))
    let job = try AggregationJob(
      rule: rule, shaping: WeightShaping(quality: 0.5, length: -0.5, maximum: 0.6), tool: "test")
    let shaped = try job.run(try sample.files(clients), withDigests: false)
    #expect(shaped.round.weights.allSatisfy { $0 <= 0.6 })
    #expect(
      shaped.adapter.provenance?.weights
        == "records, quality-weight 0.5, length-weight -0.5, max-weight 0.6")
    #expect(try sample.bytes(shaped.adapter) != plain)
    let none = try AggregationJob(rule: rule, shaping: WeightShaping(), tool: "test")
    #expect(try sample.bytes(try none.adapter(try sample.files(clients))) == plain)
    clients[1].records = nil
    let files = try sample.files(clients)
    #expect(throws: AggregationError.self) { try job.adapter(files) }
    for shaping in [
      WeightShaping(quality: .nan), WeightShaping(length: 11), WeightShaping(maximum: 0),
      WeightShaping(maximum: .nan),
    ] {
      #expect(throws: AggregationError.self) {
        try AggregationJob(rule: rule, shaping: shaping, tool: "test")
      }
    }
    #expect(throws: AggregationError.self) {
      try AggregationJob(
        rule: try RuleCatalog.entry("median"), shaping: WeightShaping(quality: 1), tool: "test")
    }
  }
}
