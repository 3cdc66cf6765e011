// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// Matrices of whole numbers with given row and column sums, as close to given weights as can be.
package enum ProportionalFitting {
  static let maximumSweeps = 500
  /// Sweeps end when no row is off by more than this share of a record.
  static let tolerance = 1e-3

  /// Iterative proportional fitting (Deming and Stephan 1940, also known as Sinkhorn's), then
  /// rounding that keeps both sums exactly.
  ///
  /// - Parameters:
  ///   - logWeights: a row a client, a column a bin; the largest of a row is 0.
  ///   - rows: the rows' sums.
  ///   - columns: the columns' sums; the same total as the rows'.
  package static func counts(
    logWeights: [[Double]], rows: [Int], columns: [Int]
  ) -> [[Int]] {
    let fitted = fit(logWeights: logWeights, rows: rows, columns: columns)
    return round(fitted, rows: rows, columns: columns)
  }

  /// Below -20, weights are drawn together, but keep their order. As they are (ln of a weight can be
  /// -36,000 at alpha 0.001) the sums would take for ever to reach; all cut off at one value they
  /// would be equal, and what no client wants would be spread evenly instead of by preference.
  static func compressed(_ logWeight: Double) -> Double {
    logWeight > -20 ? logWeight : -20 - 10 * PortableMath.log1p((-20 - logWeight) / 10)
  }

  static func fit(logWeights: [[Double]], rows: [Int], columns: [Int]) -> [[Double]] {
    var cells = logWeights.enumerated().map { row, values in
      values.map { PortableMath.exp(compressed($0)) * Double(rows[row]) }
    }
    for _ in 0..<maximumSweeps {
      var sums = [Double](repeating: 0, count: columns.count)
      for row in cells {
        for (column, value) in row.enumerated() { sums[column] += value }
      }
      var worst = 0.0
      for row in cells.indices {
        var sum = 0.0
        for column in columns.indices where sums[column] > 0 {
          cells[row][column] *= Double(columns[column]) / sums[column]
          sum += cells[row][column]
        }
        worst = max(worst, abs(sum - Double(rows[row])))
        for column in columns.indices where sum > 0 {
          cells[row][column] *= Double(rows[row]) / sum
        }
      }
      if worst < tolerance { break }
    }
    return cells
  }

  /// Rounds down, then hands out what is missing: first to the cells with the largest remainders,
  /// then wherever a row and a column both still miss some. Both sums come out exactly.
  static func round(_ cells: [[Double]], rows: [Int], columns: [Int]) -> [[Int]] {
    var counts = cells.map { $0.map { Int($0) } }
    var missingInRow = zip(rows, counts).map { $0 - $1.reduce(0, +) }
    var missingInColumn = columns
    for row in counts {
      for (column, count) in row.enumerated() { missingInColumn[column] -= count }
    }
    let order = cells.indices.flatMap { row in columns.indices.map { (row, $0) } }.sorted {
      let left = cells[$0.0][$0.1] - Double(counts[$0.0][$0.1])
      let right = cells[$1.0][$1.1] - Double(counts[$1.0][$1.1])
      return left != right ? left > right : $0 < $1
    }
    // Where fitting stopped early a sum of the rounded cells can be too large: take back from the
    // cells with the smallest remainders.
    for (row, column) in order.reversed() {
      let surplus = max(-missingInRow[row], -missingInColumn[column])
      let taken = min(max(0, surplus), counts[row][column])
      counts[row][column] -= taken
      missingInRow[row] += taken
      missingInColumn[column] += taken
    }
    for (row, column) in order where missingInRow[row] > 0 && missingInColumn[column] > 0 {
      counts[row][column] += 1
      missingInRow[row] -= 1
      missingInColumn[column] -= 1
    }
    for (row, column) in order {
      let rest = min(missingInRow[row], missingInColumn[column])
      if rest <= 0 { continue }
      counts[row][column] += rest
      missingInRow[row] -= rest
      missingInColumn[column] -= rest
    }
    return counts
  }
}
