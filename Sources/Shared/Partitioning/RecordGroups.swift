// SPDX-License-Identifier: Apache-2.0

/// Records that belong together: turns of a conversation, pieces of a document, near-duplicates.
package struct RecordGroups: Sendable {
  /// The group of each record, numbered in the order in which they first appear.
  package let groupOf: [Int32]
  package let count: Int

  /// Two records are in one group if any list has the same name for both, directly or by others in
  /// between.
  ///
  /// - Parameter names: for each list a name a record; 0 means that the record is alone there.
  package init(recordCount: Int, names: [[UInt64]]) {
    self.init(
      recordCount: recordCount,
      lists: names.map { list in { take in for name in list { take(name) } } })
  }

  /// - Parameter lists: each calls its argument with the records' names, in record order.
  init(recordCount: Int, lists: [((UInt64) -> Void) -> Void]) {
    var parent = (0..<recordCount).map { Int32($0) }
    func root(_ record: Int32) -> Int32 {
      var record = record
      while parent[Int(record)] != record {
        parent[Int(record)] = parent[Int(parent[Int(record)])]
        record = parent[Int(record)]
      }
      return record
    }
    for list in lists {
      // Most names stand once: only those that may stand twice are remembered.
      var once = NameFilter(capacity: recordCount)
      var twice: Set<UInt64> = []
      list { name in
        if name != 0, !once.insert(name) { twice.insert(name) }
      }
      var first: [UInt64: Int32] = [:]
      var record: Int32 = 0
      list { name in
        defer { record += 1 }
        guard name != 0, twice.contains(name) else { return }
        if let other = first[name] {
          let (left, right) = (root(other), root(record))
          // The smaller one becomes the root, so that the order of appearance is kept.
          parent[Int(max(left, right))] = min(left, right)
        } else {
          first[name] = record
        }
      }
    }
    // A parent is never behind its child, so it has its number already.
    var count: Int32 = 0
    for record in parent.indices {
      if parent[record] == record {
        parent[record] = count
        count += 1
      } else {
        parent[record] = parent[Int(parent[record])]
      }
    }
    groupOf = parent
    self.count = Int(count)
  }

  /// The records of each group: group g has `records[starts[g]..<starts[g + 1]]`.
  func grouped() -> (records: [Int32], starts: [Int]) {
    RecordBins(groupOf: groupOf, groups: count).grouped()
  }

  /// Whether each group has several records.
  private var isSeveral: [Bool] {
    var (seen, several) = (
      [Bool](repeating: false, count: count), [Bool](repeating: false, count: count)
    )
    for group in groupOf {
      several[Int(group)] = seen[Int(group)]
      seen[Int(group)] = true
    }
    return several
  }

  /// The groups of several records, the largest first, of equal ones the one with the smaller `tie`;
  /// each with its records in order.
  func severals(tie: [Int32]) -> [ArraySlice<Int32>] {
    let isSeveral = isSeveral
    var members = groupOf.indices.filter { isSeveral[Int(groupOf[$0])] }.map { Int32($0) }
    members.sort {
      let (left, right) = (groupOf[Int($0)], groupOf[Int($1)])
      return left != right ? left < right : $0 < $1
    }
    var slices: [ArraySlice<Int32>] = []
    var start = 0
    while start < members.count {
      let group = groupOf[Int(members[start])]
      var end = start
      while end < members.count, groupOf[Int(members[end])] == group { end += 1 }
      slices.append(members[start..<end])
      start = end
    }
    return slices.sorted { left, right in
      if left.count != right.count { return left.count > right.count }
      func place(_ slice: ArraySlice<Int32>) -> Int32 {
        tie[Int(groupOf[Int(slice[slice.startIndex])])]
      }
      return place(left) < place(right)
    }
  }

  /// The records that are alone, in order.
  var singles: [Int32] {
    let isSeveral = isSeveral
    return groupOf.indices.filter { !isSeveral[Int(groupOf[$0])] }.map { Int32($0) }
  }
}

/// Which names may have been met before (Bloom 1970): never wrong when it says no.
private struct NameFilter {
  private var bits: [UInt64]
  private let mask: UInt64

  /// Two bytes a name, which makes it wrong for about one new name in 400.
  init(capacity: Int) {
    var size = 64
    while size < 16 * capacity { size *= 2 }
    bits = [UInt64](repeating: 0, count: size / 64)
    mask = UInt64(size - 1)
  }

  /// False if the name may have been there.
  mutating func insert(_ name: UInt64) -> Bool {
    var isNew = false
    // Names are hashes; their halves make independent places (Kirsch and Mitzenmacher 2006).
    var place = name
    let step = name >> 32 | 1
    for _ in 0..<4 {
      let bit: UInt64 = 1 << (place & mask & 63)
      let word = Int((place & mask) >> 6)
      if bits[word] & bit == 0 { isNew = true }
      bits[word] |= bit
      place = place &+ step &* 0x9e37_79b9
    }
    return isNew
  }
}
