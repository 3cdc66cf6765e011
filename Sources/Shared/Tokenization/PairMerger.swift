// SPDX-License-Identifier: Apache-2.0

/// Merges a row of symbols: the lowest rank first, the leftmost on ties, until nothing merges.
///
/// Sennrich et al. 2016, https://arxiv.org/abs/1508.07909. Short rows are searched anew after each
/// merge, which is fastest below some hundred symbols; long rows use a linked list and a heap, so
/// that n symbols take O(n log n). Holds memory for reuse; one thread at a time.
struct PairMerger {
  /// Symbols of the row to merge, set by the caller; afterwards the merged row. Any but -1.
  var symbols: [Int32] = []
  /// How many neighbours were looked at, and merges taken from the heap, since the beginning.
  private(set) var steps = 0
  private var merges: [MergeTable.Merge] = []
  private var next: [Int32] = []
  private var previous: [Int32] = []
  private var heap = MergeHeap()

  /// The longest row that is searched instead of kept in a heap.
  private static let searchLimit = 64

  mutating func run(_ table: MergeTable) {
    if symbols.count < 2 { return }
    if symbols.count <= PairMerger.searchLimit {
      search(table)
    } else {
      useHeap(table)
    }
  }

  private mutating func search(_ table: MergeTable) {
    var count = symbols.count
    var looked = 0
    merges.removeAll(keepingCapacity: true)
    for index in 0..<count - 1 { merges.append(table.merge(symbols[index], symbols[index + 1])) }
    symbols.withUnsafeMutableBufferPointer { symbols in
      merges.withUnsafeMutableBufferPointer { merges in
        while count > 1 {
          looked += count
          var best = MergeTable.none
          var position = 0
          // Ranks alone are compared: where two merges share one, the leftmost pair goes first.
          for index in 0..<count - 1 where merges[index] >> 32 < best >> 32 {
            best = merges[index]
            position = index
          }
          if best == MergeTable.none { break }
          symbols[position] = Int32(truncatingIfNeeded: best)
          for index in position + 1..<count - 1 {
            symbols[index] = symbols[index + 1]
            merges[index - 1] = merges[index]
          }
          count -= 1
          if position > 0 {
            merges[position - 1] = table.merge(symbols[position - 1], symbols[position])
          }
          if position < count - 1 {
            merges[position] = table.merge(symbols[position], symbols[position + 1])
          }
        }
      }
    }
    symbols.removeLast(symbols.count - count)
    steps &+= looked
  }

  private mutating func useHeap(_ table: MergeTable) {
    let count = symbols.count
    merges = [MergeTable.Merge](repeating: MergeTable.none, count: count)
    next = (0..<Int32(count)).map { $0 + 1 }
    previous = (0..<Int32(count)).map { $0 - 1 }
    heap.removeAll(reserving: count)
    for index in 0..<count - 1 {
      merges[index] = table.merge(symbols[index], symbols[index + 1])
      heap.appendUnordered(merges[index], position: index)
    }
    heap.order()
    while let (rank, position) = heap.popFirst() {
      steps &+= 1
      // An entry is current if the pair that starts here still has its rank.
      guard merges[position] >> 32 == rank else { continue }
      let right = Int(next[position])
      symbols[position] = Int32(truncatingIfNeeded: merges[position])
      merges[right] = MergeTable.none
      symbols[right] = -1
      next[position] = next[right]
      let after = Int(next[position])
      merges[position] = MergeTable.none
      if after < count {
        previous[after] = Int32(position)
        merges[position] = table.merge(symbols[position], symbols[after])
        heap.insert(merges[position], position: position)
      }
      let before = Int(previous[position])
      if before >= 0 {
        merges[before] = table.merge(symbols[before], symbols[position])
        heap.insert(merges[before], position: before)
      }
    }
    symbols.removeAll { $0 == -1 }
  }
}

/// A binary heap of (rank, position), smallest rank first, then smallest position.
private struct MergeHeap {
  /// `rank << 32 | position`.
  private var entries: [UInt64] = []

  mutating func removeAll(reserving count: Int) {
    entries.removeAll(keepingCapacity: true)
    entries.reserveCapacity(count)
  }

  @inline(__always)
  private func entry(_ merge: MergeTable.Merge, _ position: Int) -> UInt64 {
    (merge & 0xffff_ffff_0000_0000) | UInt64(UInt32(truncatingIfNeeded: position))
  }

  mutating func appendUnordered(_ merge: MergeTable.Merge, position: Int) {
    if merge != MergeTable.none { entries.append(entry(merge, position)) }
  }

  mutating func order() {
    for index in stride(from: entries.count / 2 - 1, through: 0, by: -1) { siftDown(index) }
  }

  mutating func insert(_ merge: MergeTable.Merge, position: Int) {
    if merge == MergeTable.none { return }
    let value = entry(merge, position)
    entries.append(value)
    var index = entries.count - 1
    while index > 0 {
      let parent = (index - 1) / 2
      if entries[parent] <= value { break }
      entries[index] = entries[parent]
      index = parent
    }
    entries[index] = value
  }

  mutating func popFirst() -> (rank: UInt64, position: Int)? {
    guard let first = entries.first else { return nil }
    let last = entries.removeLast()
    if !entries.isEmpty {
      entries[0] = last
      siftDown(0)
    }
    return (first >> 32, Int(first & 0xffff_ffff))
  }

  private mutating func siftDown(_ start: Int) {
    let value = entries[start]
    var index = start
    while true {
      var child = index * 2 + 1
      if child >= entries.count { break }
      if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
      if entries[child] >= value { break }
      entries[index] = entries[child]
      index = child
    }
    entries[index] = value
  }
}
