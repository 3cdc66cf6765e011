// SPDX-License-Identifier: Apache-2.0
internal import CInstructions

// Products of bfloat16 operands with float32 sums. One instruction multiplies 16 pairs of neighbours
// along the summed dimension, so operands lie in pairs: 32 bits, the number of lower index in the low
// half. A product of K terms has (K + 1) / 2 pairs, the last one filled up with 0.
//
// The instruction rounds after each of its two additions and takes subnormal numbers for 0.

/// 16 pairs of bfloat16 numbers.
typealias Pairs = SIMD16<Int32>

/// How products of pairs are cut.
enum PairTiles {
  /// Pairs of one row of A that a block of the product takes in; A and B of a block fit the first cache.
  static let depth = 192
  /// Pairs from one packed row of A to the next: no power of two, which would put all rows into few
  /// sets of the cache.
  static let rowStride = 200
  /// Columns that are finished before the next ones: C and the block of B fit the second cache.
  static let columns = 512

  /// Rows in whole blocks.
  static func paddedRows(_ rows: Int) -> Int { (rows + blockRows - 1) / blockRows * blockRows }
  /// Columns in whole blocks.
  static func paddedColumns(_ columns: Int) -> Int {
    (columns + blockColumns - 1) / blockColumns * blockColumns
  }
  /// Pairs of `terms` terms.
  static func pairs(_ terms: Int) -> Int { (terms + 1) / 2 }

  /// Pairs of each block along `pairs`, but perhaps the last: equal parts in whole vectors.
  static func blockDepth(_ pairs: Int) -> Int {
    let blocks = max(1, (pairs + depth - 1) / depth)
    return ((pairs + blocks - 1) / blocks + 15) & ~15
  }

  /// Room that ``packPairRows(_:from:stride:rows:terms:)`` needs, in pairs.
  static func packedRows(_ rows: Int, terms: Int) -> Int {
    let pairs = pairs(terms)
    let depth = blockDepth(pairs)
    return (pairs + depth - 1) / max(depth, 1) * paddedRows(rows) * rowStride
  }

  /// Room that a packed B needs, in pairs.
  static func packedPanels(columns: Int, terms: Int) -> Int { paddedColumns(columns) * pairs(terms) }
}

extension UnsafePointer<Int32> {
  @inline(__always)
  func pairs(at index: Int) -> Pairs {
    UnsafeRawPointer(self + index).loadUnaligned(as: Pairs.self)
  }
}

extension UnsafeMutablePointer<Int32> {
  @inline(__always)
  func store(_ pairs: Pairs, at index: Int) {
    UnsafeMutableRawPointer(self + index).storeBytes(of: pairs, as: Pairs.self)
  }
}

/// 32 neighbouring values as 16 pairs.
@inline(__always)
func neighbours(_ low: Lanes, _ high: Lanes) -> Pairs { cl_bf16_neighbours(low, high) }

/// Pairs of one value of each vector.
@inline(__always)
func zipped(_ first: Lanes, _ second: Lanes) -> Pairs { cl_bf16_zip(first, second) }

/// C (rows, 32) = or += A (12, K) · B (K, 32), K in pairs: a block of a product.
///
/// - Parameters:
///   - c: rows `columnsOfC` apart; only the first `rows` of 12 are read and written.
///   - a: pair (i, k) at i·`rowStep` + k·`step`; all 12 rows must be readable.
///   - b: rows `columnsOfB` pairs apart.
@inline(__always)
func multiplyPairs(
  _ c: UnsafeMutablePointer<Float>, columnsOfC: Int, rows: Int, accumulate: Bool,
  _ a: UnsafePointer<Int32>, rowStep: Int, step: Int, _ b: UnsafePointer<Int32>, columnsOfB: Int,
  K: Int
) {
  var (c0Low, c0High) = (Lanes.zero, Lanes.zero)
  var (c1Low, c1High) = (Lanes.zero, Lanes.zero)
  var (c2Low, c2High) = (Lanes.zero, Lanes.zero)
  var (c3Low, c3High) = (Lanes.zero, Lanes.zero)
  var (c4Low, c4High) = (Lanes.zero, Lanes.zero)
  var (c5Low, c5High) = (Lanes.zero, Lanes.zero)
  var (c6Low, c6High) = (Lanes.zero, Lanes.zero)
  var (c7Low, c7High) = (Lanes.zero, Lanes.zero)
  var (c8Low, c8High) = (Lanes.zero, Lanes.zero)
  var (c9Low, c9High) = (Lanes.zero, Lanes.zero)
  var (c10Low, c10High) = (Lanes.zero, Lanes.zero)
  var (c11Low, c11High) = (Lanes.zero, Lanes.zero)
  var (a, b) = (a, b)
  for _ in 0..<K {
    let (low, high) = (b.pairs(at: 0), b.pairs(at: 16))
    let a0 = Pairs(repeating: a[0])
    c0Low = cl_bf16_dot(c0Low, a0, low)
    c0High = cl_bf16_dot(c0High, a0, high)
    let a1 = Pairs(repeating: a[rowStep])
    c1Low = cl_bf16_dot(c1Low, a1, low)
    c1High = cl_bf16_dot(c1High, a1, high)
    let a2 = Pairs(repeating: a[2 &* rowStep])
    c2Low = cl_bf16_dot(c2Low, a2, low)
    c2High = cl_bf16_dot(c2High, a2, high)
    let a3 = Pairs(repeating: a[3 &* rowStep])
    c3Low = cl_bf16_dot(c3Low, a3, low)
    c3High = cl_bf16_dot(c3High, a3, high)
    let a4 = Pairs(repeating: a[4 &* rowStep])
    c4Low = cl_bf16_dot(c4Low, a4, low)
    c4High = cl_bf16_dot(c4High, a4, high)
    let a5 = Pairs(repeating: a[5 &* rowStep])
    c5Low = cl_bf16_dot(c5Low, a5, low)
    c5High = cl_bf16_dot(c5High, a5, high)
    let a6 = Pairs(repeating: a[6 &* rowStep])
    c6Low = cl_bf16_dot(c6Low, a6, low)
    c6High = cl_bf16_dot(c6High, a6, high)
    let a7 = Pairs(repeating: a[7 &* rowStep])
    c7Low = cl_bf16_dot(c7Low, a7, low)
    c7High = cl_bf16_dot(c7High, a7, high)
    let a8 = Pairs(repeating: a[8 &* rowStep])
    c8Low = cl_bf16_dot(c8Low, a8, low)
    c8High = cl_bf16_dot(c8High, a8, high)
    let a9 = Pairs(repeating: a[9 &* rowStep])
    c9Low = cl_bf16_dot(c9Low, a9, low)
    c9High = cl_bf16_dot(c9High, a9, high)
    let a10 = Pairs(repeating: a[10 &* rowStep])
    c10Low = cl_bf16_dot(c10Low, a10, low)
    c10High = cl_bf16_dot(c10High, a10, high)
    let a11 = Pairs(repeating: a[11 &* rowStep])
    c11Low = cl_bf16_dot(c11Low, a11, low)
    c11High = cl_bf16_dot(c11High, a11, high)
    a += step
    b += columnsOfB
  }
  @inline(__always)
  func store(_ row: Int, _ low: Lanes, _ high: Lanes) {
    guard row < rows else { return }
    let to = c + row &* columnsOfC
    if accumulate {
      to.store(to.lanes(at: 0) + low, at: 0)
      to.store(to.lanes(at: 16) + high, at: 16)
    } else {
      to.store(low, at: 0)
      to.store(high, at: 16)
    }
  }
  store(0, c0Low, c0High)
  store(1, c1Low, c1High)
  store(2, c2Low, c2High)
  store(3, c3Low, c3High)
  store(4, c4Low, c4High)
  store(5, c5Low, c5High)
  store(6, c6Low, c6High)
  store(7, c7Low, c7High)
  store(8, c8Low, c8High)
  store(9, c9Low, c9High)
  store(10, c10Low, c10High)
  store(11, c11Low, c11High)
}

/// C (rows, columns) = or += A · B, `pairs` pairs deep.
///
/// - Parameters:
///   - c: rows `stride` apart.
///   - a: rows packed by ``packPairRows(_:from:stride:rows:terms:)``.
///   - b: panels of 32 columns, [pairs][32] each.
func pairProduct(
  _ c: UnsafeMutablePointer<Float>, stride: Int, rows: Int, columns: Int, pairs: Int,
  _ a: UnsafePointer<Int32>, _ b: UnsafePointer<Int32>, accumulate: Bool
) {
  let depth = PairTiles.blockDepth(pairs)
  let rowsOfBlock = PairTiles.paddedRows(rows) &* PairTiles.rowStride
  var firstColumn = 0
  while firstColumn < columns {
    let endColumn = min(columns, firstColumn &+ PairTiles.columns)
    var (k, block) = (0, a)
    while k < pairs {
      let K = min(depth, pairs &- k)
      let adds = accumulate || k > 0
      var column = firstColumn
      while column < endColumn {
        let panel = b + (column &* pairs &+ k &* blockColumns)
        pairBlocks(
          c + column, stride: stride, rows: rows, columns: min(blockColumns, endColumn &- column),
          accumulate: adds, block, panel, K: K)
        column = column &+ blockColumns
      }
      k = k &+ depth
      block += rowsOfBlock
    }
    firstColumn = endColumn
  }
}

/// All rows of one panel of B; fewer than 32 columns go by way of a block of their own.
@inline(__always)
private func pairBlocks(
  _ c: UnsafeMutablePointer<Float>, stride: Int, rows: Int, columns: Int, accumulate: Bool,
  _ a: UnsafePointer<Int32>, _ b: UnsafePointer<Int32>, K: Int
) {
  var row = 0
  while row < rows {
    let height = min(blockRows, rows &- row)
    let from = a + row &* PairTiles.rowStride
    if columns == blockColumns {
      multiplyPairs(
        c + row &* stride, columnsOfC: stride, rows: height, accumulate: accumulate, from,
        rowStep: PairTiles.rowStride, step: 1, b, columnsOfB: blockColumns, K: K)
    } else {
      narrowPairBlock(
        c + row &* stride, stride: stride, rows: height, columns: columns, accumulate: accumulate,
        from, b, K: K)
    }
    row = row &+ blockRows
  }
}

@inline(never)
private func narrowPairBlock(
  _ c: UnsafeMutablePointer<Float>, stride: Int, rows: Int, columns: Int, accumulate: Bool,
  _ a: UnsafePointer<Int32>, _ b: UnsafePointer<Int32>, K: Int
) {
  withUnsafeTemporaryAllocation(of: Float.self, capacity: blockRows * blockColumns) { block in
    guard let whole = block.baseAddress else { return }
    multiplyPairs(
      whole, columnsOfC: blockColumns, rows: rows, accumulate: false, a, rowStep: PairTiles.rowStride, step: 1, b,
      columnsOfB: blockColumns, K: K)
    for row in 0..<rows {
      for column in 0..<columns {
        let value = whole[row * blockColumns + column]
        if accumulate { c[row * stride + column] += value } else { c[row * stride + column] = value }
      }
    }
  }
}
