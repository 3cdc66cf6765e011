// SPDX-License-Identifier: Apache-2.0

/// Inner products of rows of float64, four rows by four at a time: sixteen sums stay in registers while
/// eight loads feed them. Every sum has a fixed order, whatever the number of rows.
enum RowGram {
  /// Columns that are worked on together: so many of all rows stay in the second cache, of eight rows in
  /// the first.
  private static let columnBlock = 256
  private static let tile = 4

  /// ⟨x_i, x_j⟩ for j ≤ i; nothing above the diagonal's tiles.
  static func lowerTriangle(_ values: [Double], rows: Int, size: Int) -> RowMatrix {
    var result = RowMatrix(rows: rows, columns: rows)
    values.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      _ = result.withRows { target in
        products(base, rows, base, rows, size, lowerOnly: true, into: target)
      }
    }
    return result
  }

  /// ⟨x_i, y_j⟩ for all i and j.
  static func products(_ x: RowMatrix, _ y: RowMatrix) -> RowMatrix {
    var result = RowMatrix(rows: x.rows, columns: y.rows)
    x.values.withUnsafeBufferPointer { left in
      y.values.withUnsafeBufferPointer { right in
        guard let left = left.baseAddress, let right = right.baseAddress else { return }
        _ = result.withRows { target in
          products(left, x.rows, right, y.rows, x.columns, lowerOnly: false, into: target)
        }
      }
    }
    return result
  }

  private static func products(
    _ x: UnsafePointer<Double>, _ xRows: Int, _ y: UnsafePointer<Double>, _ yRows: Int,
    _ size: Int, lowerOnly: Bool, into target: UnsafeMutablePointer<Double>
  ) {
    for start in stride(from: 0, to: size, by: columnBlock) {
      let count = min(columnBlock, size - start)
      for row in stride(from: 0, to: xRows, by: tile) {
        let end = lowerOnly ? min(yRows, row + tile) : yRows
        for column in stride(from: 0, to: end, by: tile) {
          block(
            x + start, row, xRows, y + start, column, yRows, size, count,
            into: target + row * yRows + column, stride: yRows)
        }
      }
    }
  }

  /// Sixteen inner products over `count` columns; rows past the last are the last again, and dropped.
  @inline(__always)
  private static func block(
    _ x: UnsafePointer<Double>, _ row: Int, _ xRows: Int, _ y: UnsafePointer<Double>,
    _ column: Int, _ yRows: Int, _ size: Int, _ count: Int,
    into target: UnsafeMutablePointer<Double>, stride: Int
  ) {
    let (x0, x1) = (x + row * size, x + min(row + 1, xRows - 1) * size)
    let (x2, x3) = (x + min(row + 2, xRows - 1) * size, x + min(row + 3, xRows - 1) * size)
    let (y0, y1) = (y + column * size, y + min(column + 1, yRows - 1) * size)
    let (y2, y3) = (y + min(column + 2, yRows - 1) * size, y + min(column + 3, yRows - 1) * size)
    typealias Lanes = SIMD8<Double>
    func load(_ pointer: UnsafePointer<Double>, _ index: Int) -> Lanes {
      UnsafeRawPointer(pointer + index).loadUnaligned(as: Lanes.self)
    }
    var (s00, s01, s02, s03) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    var (s10, s11, s12, s13) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    var (s20, s21, s22, s23) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    var (s30, s31, s32, s33) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    var index = 0
    while index &+ 8 <= count {
      let (b0, b1, b2, b3) = (load(y0, index), load(y1, index), load(y2, index), load(y3, index))
      let a0 = load(x0, index)
      s00 += a0 * b0
      s01 += a0 * b1
      s02 += a0 * b2
      s03 += a0 * b3
      let a1 = load(x1, index)
      s10 += a1 * b0
      s11 += a1 * b1
      s12 += a1 * b2
      s13 += a1 * b3
      let a2 = load(x2, index)
      s20 += a2 * b0
      s21 += a2 * b1
      s22 += a2 * b2
      s23 += a2 * b3
      let a3 = load(x3, index)
      s30 += a3 * b0
      s31 += a3 * b1
      s32 += a3 * b2
      s33 += a3 * b3
      index &+= 8
    }
    var sums = (
      SIMD4(s00.sum(), s01.sum(), s02.sum(), s03.sum()),
      SIMD4(s10.sum(), s11.sum(), s12.sum(), s13.sum()),
      SIMD4(s20.sum(), s21.sum(), s22.sum(), s23.sum()),
      SIMD4(s30.sum(), s31.sum(), s32.sum(), s33.sum())
    )
    while index < count {
      let b = SIMD4(y0[index], y1[index], y2[index], y3[index])
      sums.0 += x0[index] * b
      sums.1 += x1[index] * b
      sums.2 += x2[index] * b
      sums.3 += x3[index] * b
      index &+= 1
    }
    func store(_ values: SIMD4<Double>, _ lane: Int) {
      guard row + lane < xRows else { return }
      for other in 0..<min(tile, yRows - column) {
        target[lane * stride + other] += values[other]
      }
    }
    store(sums.0, 0)
    store(sums.1, 1)
    store(sums.2, 2)
    store(sums.3, 3)
  }
}
