// SPDX-License-Identifier: Apache-2.0

/// The merges of a byte-pair model: a pair of token ids to the rank of its merge and its result.
final class MergeTable: @unchecked Sendable {
  /// A merge as `rank << 32 | result`, so that the smallest is the one to do first.
  typealias Merge = UInt64
  /// No merge: larger than every merge.
  static let none: Merge = .max

  private struct Slot {
    var pair: UInt64
    var merge: Merge
  }

  // Written only in `init`, then read by many threads.
  private let slots: UnsafeMutablePointer<Slot>
  private let mask: UInt64
  /// Merges that stand in the table.
  let count: Int

  /// - Parameter merges: (left, right, result) in order of rank. Of two merges of one pair the
  ///   later one counts.
  convenience init(_ merges: [(left: Int32, right: Int32, result: Int32)]) {
    self.init(ranked: merges.enumerated().map { ($1.left, $1.right, $1.result, $0) })
  }

  /// - Parameter merges: with ranks, which may be equal: then the leftmost pair merges first.
  init(ranked merges: [(left: Int32, right: Int32, result: Int32, rank: Int)]) {
    var capacity = 16
    while capacity < merges.count * 2 + 2 { capacity *= 2 }
    slots = .allocate(capacity: capacity)
    slots.initialize(repeating: Slot(pair: .max, merge: MergeTable.none), count: capacity)
    mask = UInt64(capacity - 1)
    var count = 0
    for merge in merges {
      let pair = MergeTable.key(merge.left, merge.right)
      var index = MergeTable.hash(pair) & mask
      while slots[Int(index)].pair != pair, slots[Int(index)].pair != .max {
        index = (index + 1) & mask
      }
      if slots[Int(index)].pair == .max { count += 1 }
      slots[Int(index)] = Slot(
        pair: pair, merge: UInt64(merge.rank) << 32 | UInt64(UInt32(bitPattern: merge.result)))
    }
    self.count = count
  }

  deinit { slots.deallocate() }

  /// The merge of two neighbours, or ``none``.
  @inline(__always)
  func merge(_ left: Int32, _ right: Int32) -> Merge {
    let pair = MergeTable.key(left, right)
    var index = MergeTable.hash(pair) & mask
    while true {
      let slot = slots[Int(truncatingIfNeeded: index)]
      if slot.pair == pair { return slot.merge }
      if slot.pair == .max { return MergeTable.none }
      index = (index + 1) & mask
    }
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private static func hash(_ pair: UInt64) -> UInt64 {
    let product = pair &* 0x9e37_79b9_7f4a_7c15
    return product ^ (product >> 32)
  }
}
