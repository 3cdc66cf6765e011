// SPDX-License-Identifier: Apache-2.0
package import Randomness

/// How each client's records are divided again, for example into train, validation and test.
package struct SplitRule: Sendable, Equatable {
  package struct Part: Sendable, Equatable {
    package let name: String
    package let share: Double
  }
  /// Empty: no splits, one file a client.
  package let parts: [Part]

  package static let none = SplitRule()
  private init() { parts = [] }

  /// - Parameter text: for example `train=.8,validation=.1,test=.1`; the shares sum to 1.
  /// - Throws: ``PartitionError/invalidOption(_:value:expected:)``.
  package init(parsing text: String) throws(PartitionError) {
    let error = PartitionError.invalidOption(
      "--split", value: text,
      expected: "names and shares that sum to 1, as in train=.8,validation=.1,test=.1")
    var parts: [Part] = []
    for item in text.split(separator: ",", omittingEmptySubsequences: false) {
      let pair = item.split(separator: "=", omittingEmptySubsequences: false)
      guard pair.count == 2, let share = Double(pair[1]), share > 0, share <= 1,
        Self.isName(pair[0]), !parts.contains(where: { $0.name == pair[0] })
      else { throw error }
      parts.append(Part(name: String(pair[0]), share: share))
    }
    guard parts.count <= 100, abs(parts.reduce(0) { $0 + $1.share } - 1) < 1e-6 else { throw error }
    self.parts = parts
  }

  /// The part of each record; all 0 without parts. Counts are by largest remainder within a client.
  ///
  /// - Parameter groups: records that must be in the same part, whichever clients have them: what is
  ///   trained on by one client must not be tested on by another. Counts are then as near to the
  ///   shares as groups allow.
  package func assign(
    clientOf: [Int32], clients: Int, groups: RecordGroups? = nil, seed: Seed
  ) -> [UInt8] {
    var partOf = [UInt8](repeating: 0, count: clientOf.count)
    if parts.count < 2 { return partOf }
    let shards = RecordBins(groupOf: clientOf, groups: clients)
    var (records, starts) = shards.grouped()
    var quotas = (0..<clients).map { client in
      Apportionment.parts(of: starts[client + 1] - starts[client], shares: parts.map(\.share))
    }
    var isPlaced = [Bool](repeating: false, count: groups == nil ? 0 : clientOf.count)
    if let groups {
      place(groups, clientOf: clientOf, seed: seed, &quotas, &partOf, &isPlaced)
    }
    for client in 0..<clients {
      var own = starts[client]..<starts[client + 1]
      if groups != nil {
        var end = own.lowerBound
        for place in own where !isPlaced[Int(records[place])] {
          records[end] = records[place]
          end += 1
        }
        own = own.lowerBound..<end
      }
      var draws = seed.stream("partition", "split", "client-\(client)")
      draws.shuffle(&records, in: own)
      let sizes =
        groups == nil
        ? quotas[client]
        : Apportionment.parts(of: own.count, shares: quotas[client].map { Double(max(0, $0)) })
      var next = own.lowerBound
      for (part, size) in sizes.enumerated() {
        for _ in 0..<size {
          partOf[Int(records[next])] = UInt8(part)
          next += 1
        }
      }
    }
    return partOf
  }

  /// Groups of several records, the largest first, each to the part that lacks most of it; of equals
  /// to the one that lacks most in all, which is the largest part at first.
  private func place(
    _ groups: RecordGroups, clientOf: [Int32], seed: Seed, _ quotas: inout [[Int]],
    _ partOf: inout [UInt8], _ isPlaced: inout [Bool]
  ) {
    var draws = seed.stream("partition", "split", "groups")
    let tie = draws.order(count: groups.count)
    for records in groups.severals(tie: tie) {
      var sizes: [(client: Int, count: Int)] = []
      for client in records.map({ Int(clientOf[Int($0)]) }).sorted() {
        if sizes.last?.client == client {
          sizes[sizes.count - 1].count += 1
        } else {
          sizes.append((client, 1))
        }
      }
      var best = (part: 0, fit: -1, room: Int.min)
      for part in parts.indices {
        let fit = sizes.reduce(0) { $0 + min($1.count, max(0, quotas[$1.client][part])) }
        let room = sizes.reduce(0) { $0 + quotas[$1.client][part] }
        if fit > best.fit || (fit == best.fit && room > best.room) { best = (part, fit, room) }
      }
      for (client, count) in sizes { quotas[client][best.part] -= count }
      for record in records {
        partOf[Int(record)] = UInt8(best.part)
        isPlaced[Int(record)] = true
      }
    }
  }

  /// Names become parts of file names.
  private static func isName(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.count <= 40
      && text.utf8.allSatisfy {
        (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d || $0 == 0x5f
      }
  }
}
