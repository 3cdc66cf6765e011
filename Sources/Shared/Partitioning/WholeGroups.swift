// SPDX-License-Identifier: Apache-2.0
package import Randomness

/// Deals whole groups so that the clients come as near as groups allow to what a method gave them.
///
/// The method says how many records of each bin each client should have. Groups are handed out, the
/// largest first (longest processing time), each to the client that lacks most of what the group has;
/// records that are alone fill what is left exactly.
package enum WholeGroups {
  package static func deal(
    _ clientOf: [Int32], groups: RecordGroups, bins: RecordBins, clients: Int, seed: Seed
  ) -> [Int32] {
    let wanted = CountMatrix(
      clients: clients, bins: bins.count, clientOf: clientOf, binOf: bins.binOf)
    var deal = Deal(wanted: wanted, result: clientOf)
    var draws = seed.stream("partition", "groups")
    let tie = draws.order(count: groups.count)
    for records in groups.severals(tie: tie) { deal.give(records, bins) }
    deal.give(singles: groups.singles, bins, seed: seed)
    return deal.result
  }

  private struct Deal {
    var missing: CountMatrix
    var totals: [Int]
    var result: [Int32]

    init(wanted: CountMatrix, result: [Int32]) {
      missing = wanted
      totals = wanted.clientTotals
      self.result = result
    }

    /// One group to the client that lacks most of it; of equals to the one that lacks most in all.
    mutating func give(_ records: ArraySlice<Int32>, _ bins: RecordBins) {
      var sizes: [(bin: Int, count: Int)] = []
      for bin in records.map({ Int(bins.binOf[Int($0)]) }).sorted() {
        if sizes.last?.bin == bin {
          sizes[sizes.count - 1].count += 1
        } else {
          sizes.append((bin, 1))
        }
      }
      var best = (client: 0, fit: -1, room: Int.min)
      for client in totals.indices {
        let fit = sizes.reduce(0) { $0 + min($1.count, max(0, missing[client, $1.bin])) }
        if fit > best.fit || (fit == best.fit && totals[client] > best.room) {
          best = (client, fit, totals[client])
        }
      }
      for (bin, count) in sizes { missing[best.client, bin] -= count }
      totals[best.client] -= records.count
      for record in records { result[Int(record)] = Int32(best.client) }
    }

    /// Records that are alone: each bin's go where it is still wanted, in random order.
    mutating func give(singles: [Int32], _ bins: RecordBins, seed: Seed) {
      var ofBin = [[Int32]](repeating: [], count: bins.count)
      for record in singles { ofBin[Int(bins.binOf[Int(record)])].append(record) }
      for bin in ofBin.indices where !ofBin[bin].isEmpty {
        var draws = seed.stream("partition", "order", bins.streamName(of: bin))
        draws.shuffle(&ofBin[bin])
        var next = 0
        let shares = totals.indices.map { Double(max(0, missing[$0, bin])) }
        for (client, part) in Apportionment.parts(of: ofBin[bin].count, shares: shares).enumerated() {
          for _ in 0..<part {
            result[Int(ofBin[bin][next])] = Int32(client)
            next += 1
          }
        }
      }
    }
  }

  /// Brings every client to `minimum` records by moving whole groups: the smallest group of the
  /// largest client that can spare it goes to the smallest client.
  ///
  /// - Throws: ``PartitionError/tooFewGroups(groups:clients:minimum:)``.
  static func repair(
    _ clientOf: inout [Int32], groups: RecordGroups, bins: RecordBins, clients: Int, minimum: Int
  ) throws(PartitionError) -> [MinimumSize.Move] {
    var sizes = [Int](repeating: 0, count: clients)
    for client in clientOf { sizes[Int(client)] += 1 }
    if sizes.allSatisfy({ $0 >= minimum }) { return [] }
    let (records, starts) = groups.grouped()
    func size(_ group: Int) -> Int { starts[group + 1] - starts[group] }
    var totals = [Int](repeating: 0, count: clients)
    var owned = [[Int]](repeating: [], count: clients)
    for group in 0..<groups.count {
      let client = Int(clientOf[Int(records[starts[group]])])
      totals[client] += size(group)
      owned[client].append(group)
    }
    // The smallest group last, where it is taken from.
    for client in 0..<clients {
      owned[client].sort { size($0) != size($1) ? size($0) > size($1) : $0 > $1 }
    }
    var moves: [MinimumSize.Move] = []
    while let smallest = totals.min(), smallest < minimum,
      let to = totals.firstIndex(of: smallest)
    {
      let donors = totals.indices.filter { client in
        guard client != to, let group = owned[client].last else { return false }
        return totals[client] - size(group) >= minimum
      }
      guard let from = donors.min(by: { totals[$0] > totals[$1] }), let group = owned[from].popLast()
      else {
        throw .tooFewGroups(groups: groups.count, clients: clients, minimum: minimum)
      }
      totals[from] -= size(group)
      totals[to] += size(group)
      owned[to].append(group)
      for record in records[starts[group]..<starts[group + 1]] {
        clientOf[Int(record)] = Int32(to)
        let bin = Int(bins.binOf[Int(record)])
        if let last = moves.last, last.from == from, last.to == to, last.bin == bin {
          moves[moves.count - 1].records += 1
        } else {
          moves.append(MinimumSize.Move(from: from, to: to, bin: bin, records: 1))
        }
      }
    }
    return moves
  }
}
