// SPDX-License-Identifier: Apache-2.0
import Partitioning
import Randomness
import Testing

/// The numbers under the partitions; reference values are SciPy's (1.17).
@Suite struct ArithmeticTests {
  @Test(arguments: [
    (0.1, 1, 0.7518296340458492), (3.84, 1, 0.05004352124870519), (5, 10, 0.8911780189141513),
    (27, 27, 0.46379481562055863), (100, 27, 2.5739839521792187e-10),
    (1000, 900, 0.010994608942135844), (2e5, 199_000, 0.05665200894704037), (1, 1000, 1),
    (3901.378, 27, 0), (0, 5, 1), (7, 0, 1),
  ])
  func chiSquaredTailEqualsTheReference(x: Double, degrees: Int, expected: Double) {
    let found = ChiSquared.upperTail(x, degreesOfFreedom: degrees)
    #expect(abs(found - expected) <= 1e-9 * expected)
  }

  @Test(arguments: [
    (0.5, 0.5723649429247), (1, 0), (2, 0), (3.7, 1.428072326665388),
    (100, 359.1342053695754), (100_000.5, 1051293.4654351394),
  ])
  func logGammaEqualsTheReference(x: Double, expected: Double) {
    #expect(abs(ChiSquared.logGamma(x) - expected) <= 1e-14 * max(1, abs(expected)))
  }

  @Test(arguments: [
    (1e-300, -37.0470962993612), (1e-10, -6.361340902404056), (0.001, -3.090232306167813),
    (0.025, -1.9599639845400545), (0.3, -0.5244005127080409), (0.5, 0),
    (0.75, 0.6744897501960817), (0.999999, 4.753424308817087),
  ])
  func normalQuantileEqualsTheReference(p: Double, expected: Double) {
    // 1 - 0.999999 has only 10 digits, so the upper tail cannot be better than that.
    #expect(abs(NormalDistribution.quantile(p) - expected) <= 1e-12 * max(1, abs(expected)))
  }

  @Test func largestRemaindersHandOutEverything() {
    #expect(Apportionment.parts(of: 10, shares: [0.5, 0.25, 0.25]) == [5, 3, 2])
    #expect(Apportionment.parts(of: 7, shares: [1, 1, 1]) == [3, 2, 2])
    #expect(Apportionment.parts(of: 3, shares: [0.8, 0.1, 0.1]) == [3, 0, 0])
    #expect(Apportionment.parts(of: 5, shares: [0, 0]) == [3, 2])
    #expect(Apportionment.parts(of: 0, shares: [0.2, 0.8]) == [0, 0])
    #expect(Apportionment.parts(of: 4, shares: []) == [])
  }

  @Test func partsStayWithinOneOfTheirQuota() {
    var draws = Seed(1).stream("apportionment")
    for trial in 0..<500 {
      let total = draws.integer(below: 1000)
      let shares = draws.dirichlet(concentration: 0.1, count: 1 + trial % 40)
      let parts = Apportionment.parts(of: total, shares: shares)
      #expect(parts.reduce(0, +) == total)
      for (part, share) in zip(parts, shares) {
        #expect(abs(Double(part) - share * Double(total)) < 1 + 1e-9)
      }
    }
  }

  @Test func fittingReachesBothSums() {
    var draws = Seed(1).stream("fitting")
    for trial in 0..<60 {
      let rowCount = 1 + trial % 9
      let columnCount = 1 + trial % 7
      let rows = (0..<rowCount).map { _ in draws.integer(below: 200) }
      let total = rows.reduce(0, +)
      let columns = Apportionment.parts(
        of: total, shares: draws.dirichlet(concentration: 0.3, count: columnCount))
      let spread = [1, 100, 1e5][trial % 3]
      let weights = rows.map { _ in (0..<columnCount).map { _ in -spread * draws.uniform() } }
      let counts = ProportionalFitting.counts(logWeights: weights, rows: rows, columns: columns)
      #expect(counts.map { $0.reduce(0, +) } == rows)
      for column in 0..<columnCount {
        #expect(counts.reduce(0) { $0 + $1[column] } == columns[column])
      }
      #expect(counts.allSatisfy { $0.allSatisfy { $0 >= 0 } })
    }
  }

  /// [[1, 2], [3, 4]] fitted to rows (40, 60) and columns (70, 30) keeps its odds ratio 4/6:
  /// x (x - 10) / ((40 - x)(70 - x)) = 2/3 has the root x = 25.934
  @Test func fittingKeepsOddsRatios() {
    let counts = ProportionalFitting.counts(
      logWeights: [[1, 2], [3, 4]].map { $0.map { PortableMath.log($0 / 4) } }, rows: [40, 60],
      columns: [70, 30])
    #expect(counts == [[26, 14], [44, 16]])
  }
}
