// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// Cuts clients down to a maximum number of records.
enum MaximumSize {
  /// Places of the records that stay, ascending. Which records of a client stay is random, and does not
  /// depend on the other clients.
  static func kept(_ clientOf: [Int32], clients: Int, maximum: Int, seed: Seed) -> [Int32] {
    var (records, starts) = RecordBins(groupOf: clientOf, groups: clients).grouped()
    var kept: [Int32] = []
    for client in 0..<clients {
      let range = starts[client]..<starts[client + 1]
      if range.count > maximum {
        var draws = seed.stream(path: ["partition", "maximum", "client-\(client)"])
        draws.shuffle(&records, in: range)
      }
      kept += records[range].prefix(maximum)
    }
    return kept.sorted()
  }
}
