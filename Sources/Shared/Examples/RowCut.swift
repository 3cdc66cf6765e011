// SPDX-License-Identifier: Apache-2.0

/// Cuts the examples of a step into rows that a device takes at once.
///
/// The examples stay in order and whole. Since an example's values do not depend on its neighbours
/// and sums run over a step's examples in order, results do not depend on the cut.
package enum RowCut {
  /// - Parameters:
  ///   - lengths: tokens of each example.
  ///   - limit: tokens that a row may have; a longer example has a row of its own.
  /// - Returns: ranges of examples, ascending, without gaps.
  package static func rows(lengths: [Int], limit: Int) -> [Range<Int>] {
    var rows: [Range<Int>] = []
    var start = 0
    var tokens = 0
    for (index, length) in lengths.enumerated() {
      if index > start, tokens + length > limit {
        rows.append(start..<index)
        start = index
        tokens = 0
      }
      tokens += length
    }
    if start < lengths.count { rows.append(start..<lengths.count) }
    return rows
  }
}
