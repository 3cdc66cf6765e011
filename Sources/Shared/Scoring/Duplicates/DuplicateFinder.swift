// SPDX-License-Identifier: Apache-2.0
package import Streams

/// What counts as the same text.
package enum DuplicateKind: String, Sendable, CaseIterable {
  /// Byte for byte.
  case exact
  /// Texts whose signatures share a band and agree in a share of their hashes.
  case near
}

/// Finds texts that occur more than once in a corpus whose texts are shown one by one.
///
/// Memory is about 30 bytes a text; signatures lie on disk.
package final class DuplicateFinder {
  package let kind: DuplicateKind
  /// The estimated similarity from which on texts are near-duplicates.
  private let threshold: Double
  package let minHash = MinHash()
  private var hashes: [UInt64] = []
  /// The signature of each text; -1 for those that have none.
  private var signatureOf: [Int32] = []
  private let signatures: SignatureFile?

  /// - Parameter threshold: of the share of equal hashes, 0...1.
  package init(_ kind: DuplicateKind, threshold: Double = 0.7) throws(StreamError) {
    self.kind = kind
    self.threshold = threshold
    signatures = kind == .near ? try SignatureFile(width: minHash.count) : nil
  }

  /// Shows the next record's text, by its hash and its signature (which only `near` needs); nil for a
  /// record that has none and is nobody's duplicate.
  package func add(hash: UInt64?, signature: [UInt32]?) throws(StreamError) {
    hashes.append(hash ?? 0)
    guard hash != nil else {
      signatureOf.append(-2)
      return
    }
    guard let signatures, let signature else {
      signatureOf.append(-1)
      return
    }
    signatureOf.append(Int32(truncatingIfNeeded: signatures.count))
    try signatures.append(signature)
  }

  /// Puts the texts into clusters.
  package func finish() throws(StreamError) -> DuplicateClusters {
    var sets = DisjointSets(count: hashes.count)
    joinEqual(&sets)
    if let signatures {
      try signatures.finish()
      for band in 0..<minHash.bands { join(band, signatures, &sets) }
    }
    return DuplicateClusters(
      hashes: hashes, hasText: signatureOf.map { $0 != -2 }, sets: &sets)
  }

  private func joinEqual(_ sets: inout DisjointSets) {
    let order = hashes.indices.filter { signatureOf[$0] != -2 }
      .sorted { (hashes[$0], $0) < (hashes[$1], $1) }
    for (left, right) in zip(order, order.dropFirst()) where hashes[left] == hashes[right] {
      sets.join(left, right)
    }
  }

  /// Joins texts that share a band, where the whole signatures agree well enough: each with the first
  /// text that has the band and with the one before it.
  private func join(_ band: Int, _ signatures: SignatureFile, _ sets: inout DisjointSets) {
    var entries: [(name: UInt64, text: Int32)] = []
    entries.reserveCapacity(signatures.count)
    for text in signatureOf.indices where signatureOf[text] >= 0 {
      let name = minHash.name(signatures[Int(signatureOf[text])], band: band)
      entries.append((name, Int32(truncatingIfNeeded: text)))
    }
    entries.sort { ($0.name, $0.text) < ($1.name, $1.text) }
    var first = 0
    for index in entries.indices.dropFirst() {
      if entries[index].name != entries[first].name {
        first = index
        continue
      }
      let text = Int(entries[index].text)
      for other in Set([first, index - 1]).sorted() {
        let other = Int(entries[other].text)
        if sets.root(text) == sets.root(other) { continue }
        let similarity = MinHash.similarity(
          signatures[Int(signatureOf[text])], signatures[Int(signatureOf[other])])
        if similarity >= threshold { sets.join(text, other) }
      }
    }
  }
}

/// Which records say the same.
package struct DuplicateClusters: Sendable {
  private let first: [Int32]
  private let names: [UInt64]
  /// Records that say what an earlier one said.
  package let duplicates: Int

  fileprivate init(hashes: [UInt64], hasText: [Bool], sets: inout DisjointSets) {
    var first: [Int32] = []
    var least = hashes
    var duplicates = 0
    for index in hashes.indices {
      let root = sets.root(index)
      first.append(hasText[index] ? Int32(truncatingIfNeeded: root) : -1)
      least[root] = min(least[root], hashes[index])
      if root != index { duplicates += 1 }
    }
    names = least
    self.first = first
    self.duplicates = duplicates
  }

  /// The name of a record's cluster: the least hash of its texts, 16 hexadecimal digits, whatever the order of
  /// the records; and the number (from 1) of the first record of the cluster, if that is another one. Nil for
  /// records without text.
  package func cluster(of record: Int) -> (name: String, duplicateOf: Int?)? {
    guard record < first.count, first[record] >= 0 else { return nil }
    let root = Int(first[record])
    let digits = String(names[root], radix: 16)
    return (
      String(repeating: "0", count: 16 - digits.count) + digits, root == record ? nil : root + 1
    )
  }
}

/// Sets of numbers that are joined; each is named by its smallest member.
private struct DisjointSets {
  private var parent: [Int32]

  init(count: Int) { parent = (0..<count).map { Int32(truncatingIfNeeded: $0) } }

  mutating func root(_ index: Int) -> Int {
    var root = index
    while Int(parent[root]) != root { root = Int(parent[root]) }
    var node = index
    while node != root { (node, parent[node]) = (Int(parent[node]), Int32(truncatingIfNeeded: root)) }
    return root
  }

  mutating func join(_ a: Int, _ b: Int) {
    let (a, b) = (root(a), root(b))
    parent[max(a, b)] = Int32(truncatingIfNeeded: min(a, b))
  }
}
