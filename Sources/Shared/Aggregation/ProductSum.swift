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
    for row in 0..<rank {
      for output in 0..<outputSize { left.append(loraB[output * rank + row]) }
    }
    right.append(contentsOf: loraA)
  }

  /// ‖Σ_k B_k A_k‖²_F; never below zero.
  package func squaredNorm() -> Double {
    let count = rank
    let leftGram = Self.gram(left, rows: count, size: outputSize)
    let rightGram = Self.gram(right, rows: count, size: inputSize)
    var sum = 0.0
    for row in 0..<count {
      // Both are symmetric: each pair off the diagonal counts twice.
      for other in 0...row {
        let product = leftGram[row * count + other] * rightGram[row * count + other]
        sum += row == other ? product : 2 * product
      }
    }
    return max(0, sum)
  }

  /// Inner products ⟨X_i, X_j⟩ of parts of the sum, X_i the terms of `ranks[i]` consecutive ranks;
  /// row-major, (parts, parts).
  func innerProducts(ranks: [Int]) -> [Double] {
    let count = rank
    let leftGram = Self.gram(left, rows: count, size: outputSize)
    let rightGram = Self.gram(right, rows: count, size: inputSize)
    let owner = ranks.enumerated().flatMap { Array(repeating: $0.offset, count: $0.element) }
    var result = [Double](repeating: 0, count: ranks.count * ranks.count)
    for row in 0..<count {
      for other in 0...row {
        let product = leftGram[row * count + other] * rightGram[row * count + other]
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
    var gram = RowMatrix(rows: rank, columns: rank)
    gram.values =
      side == .left
      ? Self.gram(left, rows: rank, size: outputSize)
      : Self.gram(right, rows: rank, size: inputSize)
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
    var space = space
    let count = space.rows
    var image = RowMatrix(rows: count, columns: outputSize)
    image.withRows { images in
      space.withRows { vectors in
        for source in 0..<rank {
          for row in 0..<count {
            let product = withRow(.right, source) {
              RowKernels.dot($0, vectors + row * $1, $1)
            }
            withRow(.left, source) {
              RowKernels.add(product ?? 0, $0, to: images + row * $1, $1)
            }
          }
        }
      }
    }
    return image
  }

  // MARK: Gram matrices

  /// Inner products of all pairs of rows; the lower triangle.
  static func gram(_ matrix: RowMatrix) -> RowMatrix {
    var gram = RowMatrix(rows: matrix.rows, columns: matrix.rows)
    gram.values = Self.gram(matrix.values, rows: matrix.rows, size: matrix.columns)
    return gram
  }

  /// Columns that are worked on together: so many of all rows stay in the cache.
  private static let columnBlock = 512

  /// Inner products of all pairs of rows, (rows, rows), the lower triangle only. Sums in a fixed order.
  private static func gram(_ values: [Double], rows: Int, size: Int) -> [Double] {
    var gram = [Double](repeating: 0, count: rows * rows)
    values.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      for start in stride(from: 0, to: size, by: columnBlock) {
        let count = min(columnBlock, size - start)
        for row in 0..<rows {
          for first in stride(from: 0, through: row, by: 4) {
            // Rows past the last one are computed as the last one again and dropped.
            let column = base + start
            let products = dots(
              column + row * size, column + first * size,
              column + min(first + 1, rows - 1) * size, column + min(first + 2, rows - 1) * size,
              column + min(first + 3, rows - 1) * size, count: count)
            for lane in 0..<min(4, rows - first) {
              gram[row * rows + first + lane] += products[lane]
            }
          }
        }
      }
    }
    return gram
  }

  /// Inner products of `x` with four others: each load of `x` serves four products.
  private static func dots(
    _ x: UnsafePointer<Double>, _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>,
    _ c: UnsafePointer<Double>, _ d: UnsafePointer<Double>, count: Int
  ) -> SIMD4<Double> {
    func load(_ pointer: UnsafePointer<Double>, _ index: Int) -> SIMD8<Double> {
      UnsafeRawPointer(pointer + index).loadUnaligned(as: SIMD8<Double>.self)
    }
    var (sumA, sumB, sumC, sumD) = (
      SIMD8<Double>.zero, SIMD8<Double>.zero, SIMD8<Double>.zero, SIMD8<Double>.zero
    )
    var index = 0
    while index &+ 8 <= count {
      let value = load(x, index)
      sumA += value * load(a, index)
      sumB += value * load(b, index)
      sumC += value * load(c, index)
      sumD += value * load(d, index)
      index &+= 8
    }
    var sums = SIMD4(sumA.sum(), sumB.sum(), sumC.sum(), sumD.sum())
    while index < count {
      sums += x[index] * SIMD4(a[index], b[index], c[index], d[index])
      index &+= 1
    }
    return sums
  }
}
