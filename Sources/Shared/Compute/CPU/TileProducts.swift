// SPDX-License-Identifier: Apache-2.0

// The products of attention's tiles. They are small (64 to 256 in each direction), and their operands
// are packed anyway, so a kernel on registers serves them better than calls of a library.

/// Rows of C that the kernel keeps in registers.
let blockRows = 12
/// Columns of C that the kernel keeps in registers: two vectors.
let blockColumns = 32

/// C (rows, 32) = or += A (12, K) · B (K, 32), a block of a product.
///
/// - Parameters:
///   - c: rows `columnsOfC` apart; only the first `rows` of 12 are read and written.
///   - a: value (i, k) at i·`rowStep` + k·`step`; all 12 rows must be readable.
///   - b: rows `columnsOfB` apart.
@inline(__always)
private func multiplyBlock(
  _ c: UnsafeMutablePointer<Float>, columnsOfC: Int, rows: Int, accumulate: Bool,
  _ a: UnsafePointer<Float>, rowStep: Int, step: Int, _ b: UnsafePointer<Float>, columnsOfB: Int,
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
    let (low, high) = (b.lanes(at: 0), b.lanes(at: 16))
    let a0 = Lanes(repeating: a[0])
    c0Low = c0Low.addingProduct(a0, low)
    c0High = c0High.addingProduct(a0, high)
    let a1 = Lanes(repeating: a[rowStep])
    c1Low = c1Low.addingProduct(a1, low)
    c1High = c1High.addingProduct(a1, high)
    let a2 = Lanes(repeating: a[2 &* rowStep])
    c2Low = c2Low.addingProduct(a2, low)
    c2High = c2High.addingProduct(a2, high)
    let a3 = Lanes(repeating: a[3 &* rowStep])
    c3Low = c3Low.addingProduct(a3, low)
    c3High = c3High.addingProduct(a3, high)
    let a4 = Lanes(repeating: a[4 &* rowStep])
    c4Low = c4Low.addingProduct(a4, low)
    c4High = c4High.addingProduct(a4, high)
    let a5 = Lanes(repeating: a[5 &* rowStep])
    c5Low = c5Low.addingProduct(a5, low)
    c5High = c5High.addingProduct(a5, high)
    let a6 = Lanes(repeating: a[6 &* rowStep])
    c6Low = c6Low.addingProduct(a6, low)
    c6High = c6High.addingProduct(a6, high)
    let a7 = Lanes(repeating: a[7 &* rowStep])
    c7Low = c7Low.addingProduct(a7, low)
    c7High = c7High.addingProduct(a7, high)
    let a8 = Lanes(repeating: a[8 &* rowStep])
    c8Low = c8Low.addingProduct(a8, low)
    c8High = c8High.addingProduct(a8, high)
    let a9 = Lanes(repeating: a[9 &* rowStep])
    c9Low = c9Low.addingProduct(a9, low)
    c9High = c9High.addingProduct(a9, high)
    let a10 = Lanes(repeating: a[10 &* rowStep])
    c10Low = c10Low.addingProduct(a10, low)
    c10High = c10High.addingProduct(a10, high)
    let a11 = Lanes(repeating: a[11 &* rowStep])
    c11Low = c11Low.addingProduct(a11, low)
    c11High = c11High.addingProduct(a11, high)
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

/// Floats from one row of a tile of scores to the next: 256 columns, room for a last block of rows of
/// its transpose, and no power of two, which would put all rows into few sets of the caches.
let tileStride = 272

/// Which columns of a tile of scores the causal mask leaves, so that products skip most of the others.
///
/// Row r belongs to query r mod `queries`; query i sees the columns below i + `offset`. What a product
/// leaves out is 0 in exact terms, and rows are 0 as far as ``storedColumns(_:)`` where a product
/// reads them.
struct TileMask {
  /// Queries of the tile; each head has that many rows.
  let queries: Int
  let rows: Int
  let columns: Int
  let offset: Int

  init(queries: Range<Int>, heads: Int, keys: Range<Int>) {
    self.queries = queries.count
    rows = queries.count * heads
    columns = keys.count
    offset = queries.lowerBound + 1 - keys.lowerBound
  }

  /// A tile whose queries are filled up to `padded` for each head.
  init(queries: Range<Int>, padded: Int, heads: Int, keys: Range<Int>) {
    self.queries = padded
    rows = padded * heads
    columns = keys.count
    offset = queries.lowerBound + 1 - keys.lowerBound
  }

  /// Columns that some row of the panel with row `row` sees.
  @inline(__always)
  func seenColumns(_ row: Int) -> Int {
    let first = row / blockRows &* blockRows
    let last = min(first &+ blockRows, rows) &- 1
    let query = first / queries == last / queries ? last % queries : queries &- 1
    return max(0, min(columns, query &+ offset))
  }

  /// Columns of row `row` that products may read.
  @inline(__always)
  func storedColumns(_ row: Int) -> Int { min(columns, seenColumns(row) &+ blockRows) }

  /// The first query that sees column `column`.
  @inline(__always)
  func firstQuery(_ column: Int) -> Int { min(queries, max(0, column &- offset &+ 1)) }
}

/// S = A · B with A (rows, K) in panels of 12 rows, [K][12] each, and B (K, columns) in panels of 32
/// columns, [K][32] each. S has ``tileStride``; whole blocks are written.
func panelProduct(
  _ s: UnsafeMutablePointer<Float>, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  mask: TileMask, K: Int
) {
  for column in stride(from: 0, to: mask.columns, by: blockColumns) {
    for row in stride(from: 0, to: mask.rows, by: blockRows) where column < mask.seenColumns(row) {
      multiplyBlock(
        s + (row &* tileStride &+ column), columnsOfC: tileStride, rows: blockRows,
        accumulate: false, a + row &* K, rowStep: 1, step: blockRows, b + column &* K,
        columnsOfB: blockColumns, K: K)
    }
  }
}

/// C (rows, D) += S · B with B (columns, D); D is a multiple of 32 and the row length of B and C.
func tileProduct(
  _ c: UnsafeMutablePointer<Float>, _ s: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  mask: TileMask, D: Int
) {
  for column in stride(from: 0, to: D, by: blockColumns) {
    for row in stride(from: 0, to: mask.rows, by: blockRows) {
      multiplyBlock(
        c + (row &* D &+ column), columnsOfC: D, rows: min(blockRows, mask.rows &- row),
        accumulate: true, s + row &* tileStride, rowStep: tileStride, step: 1, b + column,
        columnsOfB: D, K: mask.seenColumns(row))
    }
  }
}

/// C (columns, D) += Sᵀ · B with B (rows, D); D as in ``tileProduct(_:_:_:mask:D:)``.
func transposedTileProduct(
  _ c: UnsafeMutablePointer<Float>, _ s: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  mask: TileMask, D: Int
) {
  for column in stride(from: 0, to: D, by: blockColumns) {
    for key in stride(from: 0, to: mask.columns, by: blockRows) {
      // All rows at once where each query sees the key, else head by head.
      let skipped = mask.firstQuery(key)
      let run = skipped == 0 ? mask.rows : mask.queries
      for row in stride(from: 0, to: mask.rows, by: run) {
        multiplyBlock(
          c + (key &* D &+ column), columnsOfC: D, rows: min(blockRows, mask.columns &- key),
          accumulate: true, s + ((row &+ skipped) &* tileStride &+ key), rowStep: 1,
          step: tileStride, b + ((row &+ skipped) &* D &+ column), columnsOfB: D,
          K: run &- skipped)
      }
    }
  }
}
