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
  package func assign(clientOf: [Int32], clients: Int, seed: Seed) -> [UInt8] {
    var partOf = [UInt8](repeating: 0, count: clientOf.count)
    if parts.count < 2 { return partOf }
    let shards = RecordBins(groupOf: clientOf, groups: clients)
    var (records, starts) = shards.grouped()
    for client in 0..<clients {
      var draws = seed.stream("partition", "split", "client-\(client)")
      draws.shuffle(&records[starts[client]..<starts[client + 1]])
      let sizes = Apportionment.parts(
        of: starts[client + 1] - starts[client], shares: parts.map(\.share))
      var next = starts[client]
      for (part, size) in sizes.enumerated() {
        for _ in 0..<size {
          partOf[Int(records[next])] = UInt8(part)
          next += 1
        }
      }
    }
    return partOf
  }

  /// Names become parts of file names.
  private static func isName(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.count <= 40
      && text.utf8.allSatisfy {
        (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d || $0 == 0x5f
      }
  }
}
