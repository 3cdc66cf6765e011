// SPDX-License-Identifier: Apache-2.0
package import Compute
package import Randomness

/// Dropout on what the A factors read (`lora_dropout`), for one row of examples.
///
/// Modules that read the same input share its mask: dropping is done once for query, key and value.
/// (PEFT draws a mask a module; each has the same distribution.)
package struct RowDropout: Sendable {
  package let key: UInt64
  package let rate: Double
  /// One of the key's streams for each example of the row.
  package let streams: [UInt64]

  package init(key: UInt64, rate: Double, streams: [UInt64]) {
    self.key = key
    self.rate = rate
    self.streams = streams
  }
}

/// Names the masks of a whole run.
package struct RunDropout: Sendable {
  private let rate: Double
  private let key: UInt64
  private let streams: Philox

  /// - Parameter path: names the run: round and client, as for the order of records.
  package init(rate: Double, seed: Seed, path: [String]) {
    self.rate = rate
    var keys = seed.stream(path: path + ["lora-dropout", "key"])
    key = keys.next()
    streams = seed.stream(path: path + ["lora-dropout", "stream"])
  }

  /// The masks of examples by their number in the run, counted over all steps; nil without dropout.
  package func row(_ numbers: [Int]) -> RowDropout? {
    if rate == 0 { return nil }
    return RowDropout(
      key: key, rate: rate,
      streams: numbers.map { number in
        var stream = streams
        stream.position = 2 * UInt64(number)
        return stream.next()
      })
  }
}

/// The places of a row's tokens, for the masks.
struct RowPlaces {
  private let dropout: RowDropout
  private let all: [DropoutMask.Place]
  private let targets: [DropoutMask.Place]

  init(_ dropout: RowDropout, _ row: PackedRow) {
    precondition(dropout.streams.count == row.exampleCount, "one stream an example")
    self.dropout = dropout
    var all: [DropoutMask.Place] = []
    all.reserveCapacity(row.count)
    for (example, stream) in dropout.streams.enumerated() {
      for position in 0..<row.starts[example + 1] - row.starts[example] {
        all.append(DropoutMask.Place(stream: stream, position: UInt32(position)))
      }
    }
    self.all = all
    targets = row.targetRows.map { all[Int($0)] }
  }

  /// The mask of a stage of a layer.
  func mask(layer: Int, stage: Stage) -> DropoutMask {
    DropoutMask(
      key: dropout.key, site: UInt32(layer * Stage.allCases.count + stage.rawValue),
      rate: dropout.rate)
  }

  /// Places of all rows, or of the target rows where there are only those.
  func places(rows: Int) -> [DropoutMask.Place] { rows == all.count ? all : targets }
}
