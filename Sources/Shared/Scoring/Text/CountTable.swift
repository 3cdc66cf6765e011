// SPDX-License-Identifier: Apache-2.0

/// Counts names; emptied in constant time, so that one table serves text after text.
final class CountTable {
  private struct Entry {
    var name: UInt64
    var count: Int32
    /// The entry is in use if this is the table's current stamp.
    var stamp: UInt32
  }
  private var entries: UnsafeMutablePointer<Entry>
  private var capacity: Int
  private var stamp: UInt32 = 1

  init() {
    capacity = 1 << 10
    entries = .allocate(capacity: capacity)
    entries.initialize(repeating: Entry(name: 0, count: 0, stamp: 0), count: capacity)
  }

  deinit { entries.deallocate() }

  /// Empties the table and makes room for `count` names.
  func reset(expecting count: Int) {
    if 2 * count > capacity {
      entries.deallocate()
      while 2 * count > capacity { capacity *= 2 }
      entries = .allocate(capacity: capacity)
      entries.initialize(repeating: Entry(name: 0, count: 0, stamp: 0), count: capacity)
      stamp = 1
      return
    }
    clear()
  }

  /// Empties the table.
  @inline(__always)
  func clear() {
    stamp &+= 1
    if stamp == 0 {
      entries.update(repeating: Entry(name: 0, count: 0, stamp: 0), count: capacity)
      stamp = 1
    }
  }

  /// Counts `name` once more.
  ///
  /// - Returns: the slot of the name, and its count with this one.
  @inline(__always)
  func add(_ name: UInt64) -> (slot: Int, count: Int) {
    let mask = capacity &- 1
    var slot = Int(truncatingIfNeeded: name) & mask
    while entries[slot].stamp == stamp {
      if entries[slot].name == name {
        entries[slot].count &+= 1
        return (slot, Int(entries[slot].count))
      }
      slot = (slot &+ 1) & mask
    }
    entries[slot] = Entry(name: name, count: 1, stamp: stamp)
    return (slot, 1)
  }

  /// Takes one occurrence back.
  ///
  /// - Returns: how many are left.
  func remove(at slot: Int) -> Int {
    entries[slot].count &-= 1
    return Int(entries[slot].count)
  }

  @inline(__always)
  func count(at slot: Int) -> Int { Int(entries[slot].count) }
}
