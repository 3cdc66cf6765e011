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
  func cells(_ values: UnsafePointer<Float>) -> UnsafePointer<Int32> {
    UnsafeRawPointer(values).assumingMemoryBound(to: Int32.self)
  }
  multiplyCells(
    Float32Cell.self, c, columnsOfC: columnsOfC, rows: rows, accumulate: accumulate, cells(a),
    rowStep: rowStep, step: step, cells(b), columnsOfB: columnsOfB, K: K)
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
