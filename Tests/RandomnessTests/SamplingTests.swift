// SPDX-License-Identifier: Apache-2.0
import Randomness
import Testing

@Suite struct SamplingTests {
  @Test func allOrdersOfFourAreEquallyLikely() {
    var stream = Seed(5).stream("orders")
    var counts: [[Int]: Int] = [:]
    let trials = 24_000
    for _ in 0..<trials { counts[stream.permutation(count: 4), default: 0] += 1 }
    #expect(counts.count == 24)
    let chi2 = counts.values.reduce(0.0) { $0 + Double(($1 - 1_000) * ($1 - 1_000)) / 1_000 }
    // The 0.999 quantile of chi-squared with 23 degrees of freedom.
    #expect(chi2 < 49.73)
  }

  @Test func integersBelowABoundAreUniform() {
    var stream = Seed(5).stream("integers")
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[stream.integer(below: 7)] += 1 }
    let chi2 = counts.reduce(0.0) { $0 + Double(($1 - 10_000) * ($1 - 10_000)) / 10_000 }
    #expect(chi2 < 22.46)
    #expect(stream.integer(below: 1) == 0)
    #expect((0..<100).allSatisfy { _ in stream.integer(below: .max) >= 0 })
  }

  /// With a bound of 3/8 of the range, 2 of 8 words must be drawn again; if they were not, numbers
  /// would be drawn 3, 3 and 2 times as often by their remainder.
  @Test func largeBoundsAreUnbiased() {
    var stream = Seed(5).stream("large")
    var counts = [0, 0, 0]
    for _ in 0..<30_000 { counts[stream.integer(below: 3 << 61) % 3] += 1 }
    let chi2 = counts.reduce(0.0) { $0 + Double(($1 - 10_000) * ($1 - 10_000)) / 10_000 }
    #expect(chi2 < 13.82)
  }

  @Test func shufflingASliceLeavesTheRest() {
    var stream = Seed(5).stream("slice")
    var values = Array(0..<20)
    stream.shuffle(&values[5..<15])
    #expect(Array(values[..<5]) == Array(0..<5))
    #expect(Array(values[15...]) == Array(15..<20))
    #expect(values[5..<15].sorted() == Array(5..<15))
    #expect(Array(values[5..<15]) != Array(5..<15))
  }

  @Test func nothingToShuffleDrawsNothing() {
    var stream = Seed(5).stream("empty")
    var empty: [Int] = []
    stream.shuffle(&empty)
    #expect(stream.permutation(count: 1) == [0])
    #expect(stream.position == 0)
  }

  @Test func choicesFollowTheirWeights() {
    var stream = Seed(5).stream("weights")
    var counts = [0, 0, 0, 0]
    for _ in 0..<40_000 {
      if let index = stream.weightedIndex([1, 0, 2, 5]) { counts[index] += 1 }
    }
    #expect(counts[1] == 0)
    for (count, expected) in zip(counts, [5_000, 0, 10_000, 25_000]) {
      #expect(abs(count - expected) < 500)
    }
    #expect(stream.weightedIndex([0, 0]) == nil)
    #expect(stream.weightedIndex([]) == nil)
  }
}
