// SPDX-License-Identifier: Apache-2.0
package import Records

/// The examples of a shard, in the order of the file, without those that have no target.
package struct ExampleSet: Sendable {
  package private(set) var examples: [Example] = []
  /// Where each example's record stands.
  package private(set) var locations: [RecordLocation] = []
  /// `cl_score.quality` of each example, where it is known.
  package private(set) var qualities: [Double?] = []
  package private(set) var counts = ExampleCounts()

  package init() {}

  /// Reads all records. One without a target is tolerated as a bad line is, and left out.
  ///
  /// - Throws: `RecordError` for the first bad record beyond the tolerated ones, ``ExampleError``,
  ///   `StreamError`.
  package init(reading reader: RecordReader, encoder: ExampleEncoder) throws {
    while let record = try reader.next() {
      do {
        let example = try encoder.encode(record.content, at: record.location)
        append(example, at: record.location, quality: record.score?.quality)
        if example.isLost {
          throw RecordError.noTarget(
            record.location, tokens: example.fullTokenCount, context: encoder.context)
        }
      } catch let error as RecordError {
        try reader.tolerate(error)
      }
    }
  }

  /// Adds an example; one without a target is only counted.
  package mutating func append(
    _ example: Example, at location: RecordLocation, quality: Double? = nil
  ) {
    counts.add(example)
    if example.isLost { return }
    examples.append(example)
    locations.append(location)
    qualities.append(quality)
  }

  /// Tokens of each example.
  package var lengths: [Int] { examples.map(\.tokens.count) }

  /// The quality of every example.
  ///
  /// - Throws: ``ExampleError/noQuality(_:)`` for the first record without one.
  package func allQualities() throws(ExampleError) -> [Double] {
    var result: [Double] = []
    for (index, quality) in qualities.enumerated() {
      guard let quality else { throw .noQuality(locations[index]) }
      result.append(quality)
    }
    return result
  }
}
