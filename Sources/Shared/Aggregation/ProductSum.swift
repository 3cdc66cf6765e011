// SPDX-License-Identifier: Apache-2.0

/// Σ_k B_k A_k, never multiplied out: its norm follows from the factors.
///
/// With P = [B_1 B_2 …] (out, K) and Q = [A_1; A_2; …] (K, in), K the sum of the ranks,
/// ‖PQ‖²_F = ⟨PᵀP, QQᵀ⟩. Costs K²(in + out) instead of K·in·out.
package struct ProductSum: Sendable {
  package let inputSize: Int
  package let outputSize: Int
  /// K rows of `outputSize`: P transposed.
  private var left: [Double] = []
  /// K rows of `inputSize`: Q.
  private var right: [Double] = []

  enum Side { case left, right }

  package init(inputSize: Int, outputSize: Int) {
    self.inputSize = inputSize
    self.outputSize = outputSize
  }

  /// Sum of the ranks.
  package var rank: Int { inputSize == 0 ? 0 : right.count / inputSize }

  /// Adds one product.
  ///
  /// - Parameters:
  ///   - loraB: (out, rank).
  ///   - loraA: (rank, in).
  package mutating func add(loraB: [Double], loraA: [Double], rank: Int) {
    precondition(loraB.count == outputSize * rank && loraA.count == rank * inputSize)
    let start = left.count
    left.append(contentsOf: repeatElement(0, count: loraB.count))
    left.withUnsafeMutableBufferPointer { target in
      loraB.withUnsafeBufferPointer { source in
        for output in 0..<outputSize {
          for row in 0..<rank {
            target[start + row * outputSize + output] = source[output * rank + row]
          }
        }
      }
    }
    right.append(contentsOf: loraA)
  }

  /// ‖Σ_k B_k A_k‖²_F; never below zero.
  package func squaredNorm() -> Double {
    let (leftGram, rightGram) = (leftGram(), rightGram())
    var sum = 0.0
    for row in 0..<rank {
      // Both are symmetric: each pair off the diagonal counts twice.
      for other in 0...row {
        let product = leftGram[row, other] * rightGram[row, other]
        sum += row == other ? product : 2 * product
      }
    }
    return max(0, sum)
  }

  /// Inner products ⟨X_i, X_j⟩ of parts of the sum, X_i the terms of `ranks[i]` consecutive ranks;
  /// row-major, (parts, parts).
  func innerProducts(ranks: [Int]) -> [Double] {
    let (leftGram, rightGram) = (leftGram(), rightGram())
    let owner = ranks.enumerated().flatMap { Array(repeating: $0.offset, count: $0.element) }
    var result = [Double](repeating: 0, count: ranks.count * ranks.count)
    for row in 0..<rank {
      for other in 0...row {
        let product = leftGram[row, other] * rightGram[row, other]
        let (part, partner) = (owner[row], owner[other])
        // Inside one part each pair off the diagonal counts twice.
        result[part * ranks.count + partner] +=
          part == partner && row != other ? 2 * product : product
      }
    }
    for part in ranks.indices {
      for partner in 0..<part {
        result[partner * ranks.count + part] = result[part * ranks.count + partner]
      }
    }
    return result
  }

  /// Inner products of the columns of the B_k; the lower triangle.
  func leftGram() -> RowMatrix { RowGram.lowerTriangle(left, rows: rank, size: outputSize) }

  /// Inner products of the rows of the A_k; the lower triangle.
  func rightGram() -> RowMatrix { RowGram.lowerTriangle(right, rows: rank, size: inputSize) }

  // MARK: Rows

  /// Factors by which the rows of P are multiplied, and those of Q divided, so that both have the
  /// same length; 0 where the product vanishes.
  func balancing() -> [Double] {
    (0..<rank).map { row in
      let (p, q) = (length(.left, row), length(.right, row))
      let factor = (q / p).squareRoot()
      return p > 0 && q > 0 && factor.isFinite ? factor : 0
    }
  }

  private func length(_ side: Side, _ row: Int) -> Double {
    withRow(side, row) { RowKernels.dot($0, $0, $1).squareRoot() } ?? 0
  }

  private func withRow<Result>(
    _ side: Side, _ row: Int, _ body: (UnsafePointer<Double>, Int) -> Result
  ) -> Result? {
    let size = side == .left ? outputSize : inputSize
    return (side == .left ? left : right).withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { body($0 + row * size, size) }
    }
  }

  /// Inner products of the rows of one side, row k multiplied by `factors[k]`; the lower triangle.
  func gram(_ side: Side, scaledBy factors: [Double]) -> RowMatrix {
    var gram = side == .left ? leftGram() : rightGram()
    for row in 0..<rank {
      for other in 0...row { gram[row, other] *= factors[row] * factors[other] }
    }
    return gram
  }

  /// Adds a multiple of row `source` of Q to a row of `matrix`.
  func addRight(_ source: Int, times factor: Double, to matrix: inout RowMatrix, row: Int) {
    matrix.withRows { rows in
      withRow(.right, source) { x, size in
        RowKernels.add(factor, x, to: rows + row * size, size)
      }
    }
  }

  /// M v of each row v of `space` (rows, in): (rows, out).
  func applied(to space: RowMatrix) -> RowMatrix {
    var coefficients = RowMatrix(rows: rank, columns: inputSize)
    coefficients.values = right
    // ⟨a_k, v⟩ for all rows at once, then Σ_k ⟨a_k, v⟩ b_k.
    coefficients = RowGram.products(coefficients, space)
    var image = RowMatrix(rows: space.rows, columns: outputSize)
    image.withRows { images in
      for source in 0..<rank {
        for row in 0..<space.rows {
          withRow(.left, source) {
            RowKernels.add(coefficients[source, row], $0, to: images + row * $1, $1)
          }
        }
      }
    }
    return image
  }
}
