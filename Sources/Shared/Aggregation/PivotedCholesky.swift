// SPDX-License-Identifier: Apache-2.0

/// G = L Lᵀ of a positive semidefinite matrix, pivots taken by size (Higham, Accuracy and Stability
/// of Numerical Algorithms, 2nd ed., section 10.3), up to the numerical rank.
///
/// If G holds the inner products of rows x_k, then x_k = Σ_m L[k, m] q_m with orthonormal q_m: the
/// thin QR of the stacked rows without the rows.
struct PivotedCholesky {
  /// (size of G, rank), rows in the order of G.
  let factor: RowMatrix
  /// The row of G that each column of ``factor`` was made from. Restricted to them it is lower
  /// triangular.
  let pivots: [Int]
  var rank: Int { pivots.count }

  /// What remains of a diagonal, relative to the largest, below which it is rounding.
  private static let tolerance = 0x1p-46

  /// - Parameter gram: symmetric; only the lower triangle is read.
  init(gram: RowMatrix) {
    let size = gram.rows
    var remaining = (0..<size).map { gram[$0, $0] }
    let floor = (remaining.max() ?? 0) * Self.tolerance
    var factor = RowMatrix(rows: size, columns: size)
    var pivots: [Int] = []
    var isDone = [Bool](repeating: false, count: size)
    factor.withRows { rows in
      while pivots.count < size {
        var pivot = -1
        for row in 0..<size where !isDone[row] && remaining[row] > floor {
          if pivot < 0 || remaining[row] > remaining[pivot] { pivot = row }
        }
        if pivot < 0 { return }
        let column = pivots.count
        let root = remaining[pivot].squareRoot()
        isDone[pivot] = true
        pivots.append(pivot)
        rows[pivot * size + column] = root
        for row in 0..<size where !isDone[row] {
          let product = gram[max(row, pivot), min(row, pivot)]
          let known = RowKernels.dot(rows + row * size, rows + pivot * size, column)
          let value = (product - known) / root
          rows[row * size + column] = value
          remaining[row] -= value * value
        }
      }
    }
    var cut = RowMatrix(rows: size, columns: pivots.count)
    for row in 0..<size {
      for column in 0..<pivots.count { cut[row, column] = factor[row, column] }
    }
    self.factor = cut
    self.pivots = pivots
  }

  /// Solves Tᵀ c = v in place, T the triangle of ``factor`` at the pivots; c[m] belongs to row
  /// `pivots[m]`, so that Σ_k v_k q_k = Σ_m c_m x_{pivots[m]}.
  func solveTransposed(_ v: inout [Double]) {
    for column in stride(from: rank - 1, through: 0, by: -1) {
      v[column] /= factor[pivots[column], column]
      let value = v[column]
      let row = pivots[column]
      for earlier in 0..<column { v[earlier] -= factor[row, earlier] * value }
    }
  }
}
