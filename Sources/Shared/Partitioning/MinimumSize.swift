// SPDX-License-Identifier: Apache-2.0
package import Randomness

/// Brings every client to a minimum number of records by moving as few records as it takes.
///
/// As long as a client has too few, one record goes to the smallest client from the largest one, out
/// of the bin of which the largest one has the most compared with everybody. Peers draw the whole
/// partition again instead until it happens to fit: at 100 clients and alpha 0.1 that succeeds once
/// in 150 draws, and what it gives is no longer the distribution that was asked for.
package enum MinimumSize {
  /// Records that went from one client to another.
  package struct Move: Sendable, Equatable {
    package let from: Int
    package let to: Int
    package let bin: Int
    package var records: Int

    package init(from: Int, to: Int, bin: Int, records: Int) {
      (self.from, self.to, self.bin, self.records) = (from, to, bin, records)
    }
  }

  /// - Throws: ``PartitionError/tooFewRecords(records:clients:minimum:)``.
  package static func check(
    records: Int, clients: Int, minimum: Int
  ) throws(PartitionError) {
    let (needed, overflow) = clients.multipliedReportingOverflow(by: minimum)
    if overflow || needed > records {
      throw .tooFewRecords(records: records, clients: clients, minimum: minimum)
    }
  }

  /// Changes `clientOf` so that every client has `minimum` records, and tells what it moved.
  package static func repair(
    _ clientOf: inout [Int32], bins: RecordBins, clients: Int, minimum: Int, seed: Seed
  ) throws(PartitionError) -> [Move] {
    try check(records: clientOf.count, clients: clients, minimum: minimum)
    var counts = CountMatrix(
      clients: clients, bins: bins.count, clientOf: clientOf, binOf: bins.binOf)
    let moves = plannedMoves(&counts, minimum: minimum)
    realise(moves, in: &clientOf, bins: bins, seed: seed)
    return moves
  }

  static func plannedMoves(_ counts: inout CountMatrix, minimum: Int) -> [Move] {
    var totals = counts.clientTotals
    let binTotals = counts.binTotals.map(Double.init)
    var moves: [Move] = []
    while let smallest = totals.min(), smallest < minimum, let largest = totals.max(),
      let to = totals.firstIndex(of: smallest), let from = totals.firstIndex(of: largest)
    {
      var bin = 0
      var excess = -1.0
      for (candidate, count) in counts.row(from).enumerated() where count > 0 {
        let ratio = Double(count) / binTotals[candidate]
        if ratio > excess { (bin, excess) = (candidate, ratio) }
      }
      counts[from, bin] -= 1
      counts[to, bin] += 1
      totals[from] -= 1
      totals[to] += 1
      if let last = moves.last, last.from == from, last.to == to, last.bin == bin {
        moves[moves.count - 1].records += 1
      } else {
        moves.append(Move(from: from, to: to, bin: bin, records: 1))
      }
    }
    return moves
  }

  /// Picks at random which records of a client and bin have to move.
  private static func realise(
    _ moves: [Move], in clientOf: inout [Int32], bins: RecordBins, seed: Seed
  ) {
    if moves.isEmpty { return }
    struct Cell: Hashable {
      let client: Int32
      let bin: Int32
    }
    var candidates: [Cell: [Int32]] = [:]
    for move in moves {
      candidates[Cell(client: Int32(move.from), bin: Int32(move.bin))] = []
    }
    for record in clientOf.indices {
      candidates[Cell(client: clientOf[record], bin: bins.binOf[record])]?.append(Int32(record))
    }
    var shuffled: Set<Cell> = []
    for move in moves {
      let cell = Cell(client: Int32(move.from), bin: Int32(move.bin))
      if shuffled.insert(cell).inserted {
        var draws = seed.stream(
          "partition", "repair", "client-\(move.from)", bins.streamName(of: move.bin))
        if var records = candidates.removeValue(forKey: cell) {
          draws.shuffle(&records)
          candidates[cell] = records
        }
      }
      for _ in 0..<move.records {
        if let record = candidates[cell]?.popLast() { clientOf[Int(record)] = Int32(move.to) }
      }
    }
  }
}
