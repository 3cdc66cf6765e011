// SPDX-License-Identifier: Apache-2.0

// The thin products of LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685): one side is the rank.
// Row-wise products are cut by rows; the gradients of A and B, which sum over all rows, by features.
// Nothing is packed but the small factor: the large operands are read once, where they lie.

private enum LowRankTiles {
  static let rows = 96
  /// Features of a task that sums over all rows, and the rows that it takes in at a time.
  static let features = 96
  static let sumRows = 128
}

/// One thin product: C (m, n) = or += `scale` · A · B.
private struct ThinProduct {
  /// Value (i, k) at i·rowStep + k·step.
  var a: UnsafePointer<Float>
  var rowStep: Int
  var step: Int
  /// Rows of n values, `bStride` apart.
  var b: UnsafePointer<Float>
  var bStride: Int
  var scale: Float = 1

  /// All of C, in blocks of 8 rows and 48 columns.
  func add(
    to c: UnsafeMutablePointer<Float>, stride: Int, rows: Int, columns: Int, terms: Int
  ) {
    var column = 0
    while column < columns {
      let width = min(48, columns &- column)
      var row = 0
      while row < rows {
        let height = min(8, rows &- row)
        let (to, from) = (c + (row &* stride &+ column), a + row &* rowStep)
        if width == 48, height == 8 {
          block(to, stride: stride, from, b + column, terms: terms)
        } else {
          edge(to, stride: stride, from, b + column, rows: height, columns: width, terms: terms)
        }
        row = row &+ 8
      }
      column = column &+ 48
    }
  }

  @inline(__always)
  private func block(
    _ c: UnsafeMutablePointer<Float>, stride: Int, _ a: UnsafePointer<Float>,
    _ b: UnsafePointer<Float>, terms: Int
  ) {
    var (c00, c01, c02) = (Lanes.zero, Lanes.zero, Lanes.zero)
    var (c10, c11, c12) = (Lanes.zero, Lanes.zero, Lanes.zero)
    var (c20, c21, c22) = (Lanes.zero, Lanes.zero, Lanes.zero)
    var (c30, c31, c32) = (Lanes.zero, Lanes.zero, Lanes.zero)
    var (c40, c41, c42) = (Lanes.zero, Lanes.zero, Lanes.zero)
    var (c50, c51, c52) = (Lanes.zero, Lanes.zero, Lanes.zero)
    var (c60, c61, c62) = (Lanes.zero, Lanes.zero, Lanes.zero)
    var (c70, c71, c72) = (Lanes.zero, Lanes.zero, Lanes.zero)
    var (a, b) = (a, b)
    let fourth = 4 &* rowStep
    for _ in 0..<terms {
      let (b0, b1, b2) = (b.lanes(at: 0), b.lanes(at: 16), b.lanes(at: 32))
      let second = a + fourth
      let a0 = Lanes(repeating: a[0])
      c00 = c00.addingProduct(a0, b0)
      c01 = c01.addingProduct(a0, b1)
      c02 = c02.addingProduct(a0, b2)
      let a1 = Lanes(repeating: a[rowStep])
      c10 = c10.addingProduct(a1, b0)
      c11 = c11.addingProduct(a1, b1)
      c12 = c12.addingProduct(a1, b2)
      let a2 = Lanes(repeating: a[2 &* rowStep])
      c20 = c20.addingProduct(a2, b0)
      c21 = c21.addingProduct(a2, b1)
      c22 = c22.addingProduct(a2, b2)
      let a3 = Lanes(repeating: a[3 &* rowStep])
      c30 = c30.addingProduct(a3, b0)
      c31 = c31.addingProduct(a3, b1)
      c32 = c32.addingProduct(a3, b2)
      let a4 = Lanes(repeating: second[0])
      c40 = c40.addingProduct(a4, b0)
      c41 = c41.addingProduct(a4, b1)
      c42 = c42.addingProduct(a4, b2)
      let a5 = Lanes(repeating: second[rowStep])
      c50 = c50.addingProduct(a5, b0)
      c51 = c51.addingProduct(a5, b1)
      c52 = c52.addingProduct(a5, b2)
      let a6 = Lanes(repeating: second[2 &* rowStep])
      c60 = c60.addingProduct(a6, b0)
      c61 = c61.addingProduct(a6, b1)
      c62 = c62.addingProduct(a6, b2)
      let a7 = Lanes(repeating: second[3 &* rowStep])
      c70 = c70.addingProduct(a7, b0)
      c71 = c71.addingProduct(a7, b1)
      c72 = c72.addingProduct(a7, b2)
      a += step
      b += bStride
    }
    let factor = Lanes(repeating: scale)
    @inline(__always)
    func store(_ row: Int, _ x: Lanes, _ y: Lanes, _ z: Lanes) {
      let to = c + row &* stride
      to.store(to.lanes(at: 0).addingProduct(factor, x), at: 0)
      to.store(to.lanes(at: 16).addingProduct(factor, y), at: 16)
      to.store(to.lanes(at: 32).addingProduct(factor, z), at: 32)
    }
    store(0, c00, c01, c02)
    store(1, c10, c11, c12)
    store(2, c20, c21, c22)
    store(3, c30, c31, c32)
    store(4, c40, c41, c42)
    store(5, c50, c51, c52)
    store(6, c60, c61, c62)
    store(7, c70, c71, c72)
  }

  /// A block that is not whole: row by row, 16 columns at a time.
  @inline(never)
  private func edge(
    _ c: UnsafeMutablePointer<Float>, stride: Int, _ a: UnsafePointer<Float>,
    _ b: UnsafePointer<Float>, rows: Int, columns: Int, terms: Int
  ) {
    for row in 0..<rows {
      let (to, from) = (c + row &* stride, a + row &* rowStep)
      var column = 0
      while column < columns {
        let width = min(laneCount, columns &- column)
        var sum = Lanes.zero
        for k in 0..<terms {
          let values = b + (k &* bStride &+ column)
          let lanes = width == laneCount ? values.lanes(at: 0) : values.lanes(at: 0, count: width)
          sum = sum.addingProduct(Lanes(repeating: from[k &* step]), lanes)
        }
        if width == laneCount {
          to.store(
            to.lanes(at: column).addingProduct(Lanes(repeating: scale), sum), at: column)
        } else {
          for lane in 0..<width { to[column &+ lane] += scale * sum[lane] }
        }
        column = column &+ laneCount
      }
    }
  }
}

/// C (rows, n) = or += `scale` · X (rows, K) · Yᵀ, Y (n, K): both are read along K.
///
/// Blocks of 6 rows and 4 columns; each value is a sum of 16 running sums, in an order fixed by K.
private func dotProducts(
  _ c: UnsafeMutablePointer<Float>, stride: Int, _ x: UnsafePointer<Float>, xStride: Int,
  _ y: UnsafePointer<Float>, yStride: Int, rows: Int, columns: Int, K: Int, scale: Float,
  accumulate: Bool
) {
  func set(_ row: Int, _ column: Int, _ value: Float) {
    let to = c + (row &* stride &+ column)
    to.pointee = accumulate ? to.pointee + scale * value : scale * value
  }
  let vectors = K & ~(laneCount &- 1)
  var row = 0
  while row &+ 6 <= rows {
    let x = x + row &* xStride
    var column = 0
    while column &+ 4 <= columns {
      dotBlock(
        x, xStride: xStride, y + column &* yStride, yStride: yStride, vectors: vectors, K: K
      ) { set(row &+ $0, column &+ $1, $2) }
      column = column &+ 4
    }
    while column < columns {
      for i in 0..<6 {
        set(
          row &+ i, column, sumOfProducts(x + i &* xStride, y + column &* yStride, count: K))
      }
      column = column &+ 1
    }
    row = row &+ 6
  }
  while row < rows {
    for column in 0..<columns {
      set(row, column, sumOfProducts(x + row &* xStride, y + column &* yStride, count: K))
    }
    row = row &+ 1
  }
}

@inline(__always)
private func dotBlock(
  _ x: UnsafePointer<Float>, xStride: Int, _ y: UnsafePointer<Float>, yStride: Int, vectors: Int,
  K: Int, _ set: (_ row: Int, _ column: Int, _ value: Float) -> Void
) {
  var (s00, s01, s02, s03) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
  var (s10, s11, s12, s13) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
  var (s20, s21, s22, s23) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
  var (s30, s31, s32, s33) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
  var (s40, s41, s42, s43) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
  var (s50, s51, s52, s53) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
  let (x3, y2) = (x + 3 &* xStride, y + 2 &* yStride)
  var k = 0
  while k < vectors {
    let ya = y.lanes(at: k)
    let yb = y.lanes(at: yStride &+ k)
    let yc = y2.lanes(at: k)
    let yd = y2.lanes(at: yStride &+ k)
    let xa = x.lanes(at: k)
    s00 = s00.addingProduct(xa, ya)
    s01 = s01.addingProduct(xa, yb)
    s02 = s02.addingProduct(xa, yc)
    s03 = s03.addingProduct(xa, yd)
    let xb = x.lanes(at: xStride &+ k)
    s10 = s10.addingProduct(xb, ya)
    s11 = s11.addingProduct(xb, yb)
    s12 = s12.addingProduct(xb, yc)
    s13 = s13.addingProduct(xb, yd)
    let xc = x.lanes(at: 2 &* xStride &+ k)
    s20 = s20.addingProduct(xc, ya)
    s21 = s21.addingProduct(xc, yb)
    s22 = s22.addingProduct(xc, yc)
    s23 = s23.addingProduct(xc, yd)
    let xd = x3.lanes(at: k)
    s30 = s30.addingProduct(xd, ya)
    s31 = s31.addingProduct(xd, yb)
    s32 = s32.addingProduct(xd, yc)
    s33 = s33.addingProduct(xd, yd)
    let xe = x3.lanes(at: xStride &+ k)
    s40 = s40.addingProduct(xe, ya)
    s41 = s41.addingProduct(xe, yb)
    s42 = s42.addingProduct(xe, yc)
    s43 = s43.addingProduct(xe, yd)
    let xf = x3.lanes(at: 2 &* xStride &+ k)
    s50 = s50.addingProduct(xf, ya)
    s51 = s51.addingProduct(xf, yb)
    s52 = s52.addingProduct(xf, yc)
    s53 = s53.addingProduct(xf, yd)
    k = k &+ laneCount
  }
  @inline(__always)
  func finish(_ row: Int, _ column: Int, _ lanes: Lanes) {
    var value = sum(lanes)
    for k in vectors..<K { value += x[row &* xStride &+ k] * y[column &* yStride &+ k] }
    set(row, column, value)
  }
  finish(0, 0, s00)
  finish(0, 1, s01)
  finish(0, 2, s02)
  finish(0, 3, s03)
  finish(1, 0, s10)
  finish(1, 1, s11)
  finish(1, 2, s12)
  finish(1, 3, s13)
  finish(2, 0, s20)
  finish(2, 1, s21)
  finish(2, 2, s22)
  finish(2, 3, s23)
  finish(3, 0, s30)
  finish(3, 1, s31)
  finish(3, 2, s32)
  finish(3, 3, s33)
  finish(4, 0, s40)
  finish(4, 1, s41)
  finish(4, 2, s42)
  finish(4, 3, s43)
  finish(5, 0, s50)
  finish(5, 1, s51)
  finish(5, 2, s52)
  finish(5, 3, s53)
}

extension CPUDevice {
  package func lowRankDown(
    _ hidden: Buffer, x: Buffer, a: Buffer, rows: Int, inputs: Int, rank: Int
  ) {
    let (hidden, x) = (hidden.values(rows * rank), x.values(rows * inputs))
    let a = a.values(rank * inputs)
    loop.chunks(of: rows, by: LowRankTiles.rows) { range in
      dotProducts(
        hidden + range.lowerBound * rank, stride: rank, x + range.lowerBound * inputs,
        xStride: inputs, a, yStride: inputs, rows: range.count, columns: rank, K: inputs, scale: 1,
        accumulate: false)
    }
  }

  /// y (N, O) += scale · h · bᵀ: the term of a product that other kernels computed.
  func lowRankUp(_ y: UnsafeMutablePointer<Float>, _ term: LowRankTerm, rows: Int, outputs: Int) {
    let factor = term.factor.values(outputs * term.rank)
    addLowRank(
      y, term, transposed(factor, rows: outputs, columns: term.rank), rows: rows, columns: outputs)
  }

  /// C (N, columns) += scale · h · factor (r, columns).
  func addLowRank(
    _ c: UnsafeMutablePointer<Float>, _ term: LowRankTerm, _ factor: UnsafePointer<Float>, rows: Int,
    columns: Int
  ) {
    let hidden = term.hidden.values(rows * term.stride)
    loop.chunks(of: rows, by: LowRankTiles.rows) { range in
      ThinProduct(
        a: hidden + range.lowerBound * term.stride + term.offset, rowStep: term.stride, step: 1,
        b: factor, bStride: columns, scale: term.scale
      ).add(
        to: c + range.lowerBound * columns, stride: columns, rows: range.count, columns: columns,
        terms: term.rank)
    }
  }

  package func lowRankUpBackward(
    dHidden: Buffer, dB: Buffer?, dy: Buffer, hidden: Buffer, b: Buffer, rows: Int, outputs: Int,
    rank: Int, offset: Int, stride: Int, scale: Float, accumulate: Bool
  ) {
    precondition(offset >= 0 && offset + rank <= stride, "ranks outside the stack")
    let (dHidden, dy) = (dHidden.values(rows * stride), dy.values(rows * outputs))
    let hidden = hidden.values(rows * stride)
    let transposed = transposed(b.values(outputs * rank), rows: outputs, columns: rank)
    loop.chunks(of: rows, by: LowRankTiles.rows) { range in
      dotProducts(
        dHidden + range.lowerBound * stride + offset, stride: stride,
        dy + range.lowerBound * outputs, xStride: outputs, transposed, yStride: outputs,
        rows: range.count, columns: rank, K: outputs, scale: scale, accumulate: accumulate)
    }
    guard let dB = dB?.values(outputs * rank) else { return }
    // dBᵀ = hiddenᵀ · dy, so that both large operands are read along their rows.
    let storage = workerScratch(rank * LowRankTiles.features)
    loop((outputs + LowRankTiles.features - 1) / LowRankTiles.features) { task, worker in
      let first = task * LowRankTiles.features
      let columns = min(LowRankTiles.features, outputs - first)
      let sums = storage[worker]
      sums.update(repeating: 0, count: rank * columns)
      sumOverRows(
        sums, stride: columns, ranks: rank, columns: columns, hidden + offset, hiddenStride: stride,
        dy + first, width: outputs, rows: rows, scale: scale)
      for column in 0..<columns {
        for r in 0..<rank { dB[(first + column) * rank + r] += sums[r * columns + column] }
      }
    }
  }

  package func lowRankDownBackward(
    dA: Buffer, dHidden: Buffer, x: Buffer, rows: Int, inputs: Int, rank: Int
  ) {
    let (dHidden, x) = (dHidden.values(rows * rank), x.values(rows * inputs))
    let dA = dA.values(rank * inputs)
    loop.chunks(of: inputs, by: LowRankTiles.features) { range in
      sumOverRows(
        dA + range.lowerBound, stride: inputs, ranks: rank, columns: range.count, dHidden,
        hiddenStride: rank, x + range.lowerBound, width: inputs, rows: rows, scale: 1)
    }
  }

  package func lowRankInput(_ dx: Buffer, _ term: LowRankTerm, rows: Int, inputs: Int) {
    addLowRank(
      dx.values(rows * inputs), term, term.factor.values(term.rank * inputs), rows: rows,
      columns: inputs)
  }

  /// A factor (rows, columns) with its sides exchanged, in shared storage.
  private func transposed(
    _ factor: UnsafePointer<Float>, rows: Int, columns: Int
  ) -> UnsafePointer<Float> {
    let storage = sharedScratch(rows * columns)
    loop.chunks(of: rows, by: rowChunk(width: columns)) { range in
      for column in 0..<columns {
        for row in range { storage[column &* rows &+ row] = factor[row &* columns &+ column] }
      }
    }
    return UnsafePointer(storage)
  }
}

/// C (ranks, columns) += `scale` · hiddenᵀ · values, summed over the rows of both, some at a time.
private func sumOverRows(
  _ c: UnsafeMutablePointer<Float>, stride: Int, ranks: Int, columns: Int,
  _ hidden: UnsafePointer<Float>, hiddenStride: Int, _ values: UnsafePointer<Float>, width: Int,
  rows: Int, scale: Float
) {
  for first in Swift.stride(from: 0, to: rows, by: LowRankTiles.sumRows) {
    ThinProduct(
      a: hidden + first * hiddenStride, rowStep: 1, step: hiddenStride, b: values + first * width,
      bStride: width, scale: scale
    ).add(
      to: c, stride: stride, rows: ranks, columns: columns,
      terms: min(LowRankTiles.sumRows, rows - first))
  }
}
