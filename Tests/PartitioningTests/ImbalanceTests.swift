// SPDX-License-Identifier: Apache-2.0
import Partitioning
import Randomness
import Testing

@Suite struct ImbalanceTests {
  struct Vector: Sendable {
    let counts: [[Int]]
    let divergence: Double
    let bias: Double
    let entropy: Double
    let hellinger: Double
    let g: Double
    let degrees: Int
    let p: Double
  }

  /// Computed with SciPy from the definitions in Documentation/formats/plan.md. The first can be
  /// checked by hand: the bin tells the client, so the divergence is the 1 bit of the client.
  static let vectors = [
    Vector(
      counts: [[2, 0], [0, 2]], divergence: 1, bias: 0.18033688011112042, entropy: 1,
      hellinger: 0.5411961001461969, g: 5.545177444479562, degrees: 1, p: 0.018531677751199058),
    Vector(
      counts: [[3, 1], [1, 5]], divergence: 0.25642589168200325, bias: 0.07213475204444816,
      entropy: 0.9709505944546688, hellinger: 0.2163521217585158, g: 3.5548176768390096,
      degrees: 1, p: 0.059372830341343885),
    Vector(
      counts: [[10, 20, 30], [30, 5, 0], [7, 7, 7]], divergence: 0.3462819835389468,
      bias: 0.024874052429120056, entropy: 1.4599033467832712, hellinger: 0.28985131131630637,
      g: 55.68565629194452, degrees: 4, p: 2.3337332717660505e-11),
    Vector(
      counts: [[10, 0, 30], [30, 0, 0], [0, 0, 0], [7, 0, 7]], divergence: 0.4367629521182199,
      bias: 0.01717494096296385, entropy: 1.471045868343564, hellinger: 0.3386522453484885,
      g: 50.860489484075465, degrees: 2, p: 9.032023004925768e-12),
  ]

  @Test(arguments: vectors)
  func indicesEqualTheReference(vector: Vector) {
    let found = InformationIndices(CountMatrix(vector.counts))
    #expect(abs(found.divergence - vector.divergence) < 1e-12)
    #expect(abs(found.bias - vector.bias) < 1e-12)
    #expect(abs(found.clientEntropy - vector.entropy) < 1e-12)
    #expect(abs(found.hellinger - vector.hellinger) < 1e-12)
    #expect(abs(found.g - vector.g) < 1e-9)
    #expect(found.degreesOfFreedom == vector.degrees)
    #expect(abs(found.pValue - vector.p) < 1e-9 * vector.p)
    let normalised = max(0, vector.divergence - vector.bias) / vector.entropy
    #expect(abs(found.normalised - normalised) < 1e-12)
  }

  @Test func equalMixturesHaveNoDivergence() {
    let found = InformationIndices(CountMatrix([[2, 4, 6], [1, 2, 3]]))
    #expect(found.divergence < 1e-12 && found.hellinger < 1e-7 && found.normalised == 0)
    #expect(found.pValue > 0.999)
  }

  @Test func degenerateCountsGiveZeros() {
    for counts in [CountMatrix([[5, 5]]), CountMatrix([[0, 0], [0, 0]]), CountMatrix([[3], [4]])] {
      let found = InformationIndices(counts)
      #expect(found.normalised == 0 && found.divergence == 0 && found.pValue == 1)
    }
  }

  @Test func divergenceKeepsItsBounds() {
    var draws = Seed(4).stream("bounds")
    for _ in 0..<200 {
      let (clients, bins) = (1 + draws.integer(below: 9), 1 + draws.integer(below: 12))
      let rows = (0..<clients).map { _ in
        (0..<bins).map { _ in max(0, draws.integer(below: 30) - 15) }
      }
      let counts = CountMatrix(rows)
      let found = InformationIndices(counts)
      let bound = min(Entropy.bits(counts.clientTotals), Entropy.bits(counts.binTotals))
      #expect(found.divergence <= bound + 1e-12)
      #expect((0...1).contains(found.normalised) && (0...1).contains(found.hellinger))
      #expect((0...1).contains(found.pValue))
    }
  }

  /// The mean of G over random partitions is the degrees of freedom, which is what `bias` says.
  @Test func randomPartitionsHaveTheBiasOnAverage() {
    let bins = (0..<2000).map { Int32($0 % 10) }
    var sum = 0.0
    for seed in 1...100 {
      var draws = Seed(UInt64(seed)).stream("iid")
      let order = draws.permutation(count: 2000)
      var clientOf = [Int32](repeating: 0, count: 2000)
      for (place, record) in order.enumerated() { clientOf[record] = Int32(place % 5) }
      let counts = CountMatrix(clients: 5, bins: 10, clientOf: clientOf, binOf: bins)
      let found = InformationIndices(counts)
      sum += found.divergence / found.bias / 100
    }
    // The standard deviation of G / df is sqrt(2 / 36), a tenth of that for the mean.
    #expect(abs(sum - 1) < 0.1)
  }

  @Test func distanceEqualsTheAreaBetweenTheCurves() {
    // Two clients at 0 and 1: the common curve is 1/2 between them, each client's 1 or 0.
    #expect(WassersteinDistance.mean(values: [0, 1], clientOf: [0, 1], clients: 2) == 0.5)
    #expect(WassersteinDistance.mean(values: [], clientOf: [], clients: 2) == 0)
    #expect(WassersteinDistance.mean(values: [3, 3], clientOf: [0, 1], clients: 3) == 0)
    var draws = Seed(4).stream("distance")
    for trial in 0..<100 {
      let count = 1 + draws.integer(below: 60)
      let clients = 1 + draws.integer(below: 5)
      let values = (0..<count).map { _ in
        trial % 2 == 0 ? Double(draws.integer(below: 8)) : draws.normal()
      }
      let clientOf = (0..<count).map { _ in Int32(draws.integer(below: clients)) }
      let found = WassersteinDistance.mean(values: values, clientOf: clientOf, clients: clients)
      #expect(abs(found - area(values, clientOf, clients)) < 1e-12)
    }
  }

  /// The definition, interval by interval.
  private func area(_ values: [Double], _ clientOf: [Int32], _ clients: Int) -> Double {
    let points = Set(values).sorted()
    var sum = 0.0
    for client in 0..<clients {
      let own = zip(values, clientOf).filter { $0.1 == Int32(client) }.map(\.0)
      if own.isEmpty { continue }
      for (low, high) in zip(points, points.dropFirst()) {
        let all = Double(values.filter { $0 <= low }.count) / Double(values.count)
        let mine = Double(own.filter { $0 <= low }.count) / Double(own.count)
        sum += abs(all - mine) * (high - low) * Double(own.count) / Double(values.count)
      }
    }
    return sum
  }

  @Test func quantityIndicesHaveTheirExtremes() {
    let even = QuantityIndices([5, 5, 5, 5])
    #expect(even.gini == 0 && abs(even.effectiveClients - 4) < 1e-12)
    let one = QuantityIndices([0, 9, 0])
    #expect(abs(one.gini - 1) < 1e-12 && abs(one.effectiveClients - 1) < 1e-12)
    // The sizes of which a peer's metric makes 0.547.
    #expect(abs(QuantityIndices([0.98, 0.01, 0.01]).gini - 0.97) < 1e-12)
    #expect(QuantityIndices([7]).gini == 0)
    #expect(QuantityIndices([0, 0]).effectiveClients == 0)
  }
}
