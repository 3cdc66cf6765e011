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
    var parent = (0..<recordCount).map { Int32($0) }
    func root(_ record: Int32) -> Int32 {
      var record = record
      while parent[Int(record)] != record {
        parent[Int(record)] = parent[Int(parent[Int(record)])]
        record = parent[Int(record)]
      }
      return record
    }
    for list in names {
      var first: [UInt64: Int32] = [:]
      for (record, name) in list.enumerated() where name != 0 {
        if let other = first[name] {
          let (left, right) = (root(other), root(Int32(record)))
          // The smaller one becomes the root, so that the order of appearance is kept.
          parent[Int(max(left, right))] = min(left, right)
        } else {
          first[name] = Int32(record)
        }
      }
    }
    var numbers = [Int32](repeating: -1, count: recordCount)
    var groupOf = numbers
    var count: Int32 = 0
    for record in 0..<recordCount {
      let root = Int(root(Int32(record)))
      if numbers[root] < 0 {
        numbers[root] = count
        count += 1
      }
      groupOf[record] = numbers[root]
    }
    self.groupOf = groupOf
    self.count = Int(count)
  }

  /// The records of each group: group g has `records[starts[g]..<starts[g + 1]]`.
  func grouped() -> (records: [Int32], starts: [Int]) {
    RecordBins(groupOf: groupOf, groups: count).grouped()
  }
}
