// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Counts of whole numbers, from which mean and quantiles follow exactly and in any order of input.
/// Memory grows with the number of different values, not with the number of records.
package struct Distribution: Sendable {
  /// A value is a count of units of 1 / `unitsPerOne`.
  private let unitsPerOne: Int
  private var counts: [Int: Int] = [:]
  private var total = 0
  private var sum = 0.0

  /// For counts, such as tokens.
  package static func ofCounts() -> Distribution { Distribution(unitsPerOne: 1) }
  /// For scores, which have six decimals.
  package static func ofScores() -> Distribution { Distribution(unitsPerOne: 1_000_000) }

  package mutating func add(_ count: Int) {
    counts[count, default: 0] += 1
    total += 1
    sum += Double(count)  // exact below 2^53
  }

  /// Adds a score of 0...1.
  package mutating func add(score: Double) {
    add(Int((score * Double(unitsPerOne)).rounded()))
  }

  /// Adds the values of another distribution of the same kind.
  package mutating func merge(_ other: Distribution) {
    precondition(unitsPerOne == other.unitsPerOne, "distributions of two kinds")
    counts.merge(other.counts, uniquingKeysWith: +)
    total += other.total
    sum += other.sum
  }

  /// 0 without values.
  package var mean: Double { total == 0 ? 0 : sum / Double(total) / Double(unitsPerOne) }

  package var isEmpty: Bool { total == 0 }

  /// `mean`, `min`, `p5`, `p25`, `p50`, `p75`, `p95`, `max`. A quantile p is the value at rank ⌈p·N⌉ of the
  /// N values in order.
  package func write(_ name: String, to writer: inout JSONWriter) {
    if isEmpty { return }
    let ordered = counts.sorted { $0.key < $1.key }
    func value(atRank rank: Int) -> Int {
      var passed = 0
      for (value, count) in ordered {
        passed += count
        if passed >= rank { return value }
      }
      return ordered.last?.key ?? 0
    }
    func put(_ key: String, _ value: Int, _ writer: inout JSONWriter) {
      if unitsPerOne == 1 {
        writer.field(key, value)
      } else {
        writer.field(key, Double(value) / Double(unitsPerOne))
      }
    }
    writer.object(name) { writer in
      writer.field("mean", DualScore.rounded(mean))
      put("min", value(atRank: 1), &writer)
      for percent in [5, 25, 50, 75, 95] {
        put("p\(percent)", value(atRank: max(1, (percent * total + 99) / 100)), &writer)
      }
      put("max", value(atRank: total), &writer)
    }
  }
}
