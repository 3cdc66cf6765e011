// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// Which of the records that were read take part.
package struct Selection: Sendable {
  /// Lengths that are kept, both ends included, in the plan's length unit; nil keeps all.
  package let range: ClosedRange<Double>?
  /// `40..320`, as on the command line.
  package let rangeName: String?
  /// How many of the kept records are drawn at random; nil, or more than there are, takes all.
  package let sample: Int?

  package static let all = Selection()
  private init() { (range, rangeName, sample) = (nil, nil, nil) }

  /// - Parameters:
  ///   - keep: `LOW..HIGH`; either may be left out.
  ///   - sample: at least 1.
  /// - Throws: ``PartitionError/invalidOption(_:value:expected:)``.
  package init(keep: String?, sample: Int?) throws(PartitionError) {
    if let sample, sample < 1 {
      throw .invalidOption("--sample", value: "\(sample)", expected: "1 or more")
    }
    self.sample = sample
    rangeName = keep
    if let keep { range = try Self.range(keep) } else { range = nil }
  }

  private static func range(_ text: String) throws(PartitionError) -> ClosedRange<Double> {
    let error = PartitionError.invalidOption(
      "--keep", value: text, expected: "LOW..HIGH in tokens or words, as in 40..320")
    guard let dots = text.firstRange(of: "..") else { throw error }
    let (low, high) = (text[..<dots.lowerBound], text[dots.upperBound...])
    guard let from = low.isEmpty ? 0 : Int(low).map(Double.init),
      let to = high.isEmpty ? Double.infinity : Int(high).map(Double.init), from >= 0, from <= to
    else { throw error }
    return from...to
  }

  /// Numbers of the selected records, ascending; nil if they are all selected.
  func choose(
    from table: RecordTable, seed: Seed
  ) -> (records: [Int32]?, outOfRange: Int, notSampled: Int) {
    if range == nil && sample ?? .max >= table.count { return (nil, 0, 0) }
    var records: [Int32] = []
    let lengths = table[.length]
    table.sweep { record in
      if let range, let lengths, !range.contains(lengths[record]) { return }
      records.append(Int32(record))
    }
    let kept = records.count
    if let sample, sample < kept {
      var draws = seed.stream("partition", "sample")
      draws.shuffle(&records)
      records = records.prefix(sample).sorted()
    }
    return (records, table.count - kept, kept - records.count)
  }
}
