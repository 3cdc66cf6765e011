// SPDX-License-Identifier: Apache-2.0
internal import CInstructions

// Products of packed operands with float32 sums. Operands lie in cells of 32 bits along the summed
// dimension: a cell is a float32 number, or a pair of neighbouring bfloat16 numbers, the first one in the
// low half. Either way one instruction takes in 16 cells, and tiles, packing and loops are the same.

/// 16 cells.
typealias Cells = SIMD16<Int32>

/// What a cell holds. A type and not a closure: only so do the kernels get it inlined.
protocol CellKind {
  /// Terms of the sum in a cell.
  static var terms: Int { get }
  /// c + a · b in each lane.
  static func multiply(_ c: Lanes, _ a: Cells, _ b: Cells) -> Lanes
  /// `terms` neighbouring values as cells.
  static func pack(
    _ to: UnsafeMutablePointer<Int32>, from: UnsafePointer<Float>, terms: Int)
  /// Cells of one value of each row; the second row only where a cell holds two.
  static func zip(_ first: Lanes, _ second: Lanes) -> Cells
}

extension CellKind {
  /// Cells of `count` terms, the last one filled up with 0.
  static func cells(_ count: Int) -> Int { (count + terms - 1) / terms }
}

/// Pairs of bfloat16 numbers. The instruction rounds after each of its two additions and takes subnormal
/// numbers for 0.
enum BFloat16Pair: CellKind {
  static var terms: Int { 2 }
  @inline(__always)
  static func multiply(_ c: Lanes, _ a: Cells, _ b: Cells) -> Lanes { cl_bf16_dot(c, a, b) }
  @inline(__always)
  static func pack(_ to: UnsafeMutablePointer<Int32>, from: UnsafePointer<Float>, terms: Int) {
    packPairs(to, from: from, terms: terms)
  }
  @inline(__always)
  static func zip(_ first: Lanes, _ second: Lanes) -> Cells { zipped(first, second) }
}

/// A float32 number.
enum Float32Cell: CellKind {
  static var terms: Int { 1 }
  @inline(__always)
  static func multiply(_ c: Lanes, _ a: Cells, _ b: Cells) -> Lanes {
    c.addingProduct(unsafeBitCast(a, to: Lanes.self), unsafeBitCast(b, to: Lanes.self))
  }
  @inline(__always)
  static func pack(_ to: UnsafeMutablePointer<Int32>, from: UnsafePointer<Float>, terms: Int) {
    UnsafeMutableRawPointer(to).copyMemory(from: from, byteCount: 4 &* terms)
  }
  @inline(__always)
  static func zip(_ first: Lanes, _ second: Lanes) -> Cells { unsafeBitCast(first, to: Cells.self) }
}

extension Precision {
  /// Cells of `count` terms.
  func cells(_ count: Int) -> Int {
    switch self {
    case .float32: Float32Cell.cells(count)
    case .bfloat16: BFloat16Pair.cells(count)
    }
  }
}

/// How products of cells are cut.
enum CellTiles {
  /// Cells of one row of A that a block of the product takes in; A and B of a block fit the first cache.
  static let depth = 208
  /// Cells from one packed row of A to the next: no power of two, which would put all rows into few
  /// sets of the cache.
  static let rowStride = 216
  /// Columns that are finished before the next ones: C and the block of B fit the second cache.
  static let columns = 512

  /// Rows in whole blocks.
  static func paddedRows(_ rows: Int) -> Int { (rows + blockRows - 1) / blockRows * blockRows }
  /// Columns in whole blocks.
  static func paddedColumns(_ columns: Int) -> Int {
    (columns + blockColumns - 1) / blockColumns * blockColumns
  }

  /// Cells of each block along `cells`, but perhaps the last: equal parts in whole vectors.
  static func blockDepth(_ cells: Int) -> Int {
    let blocks = max(1, (cells + depth - 1) / depth)
    return ((cells + blocks - 1) / blocks + 15) & ~15
  }

  /// Room for ``packCellRows(_:_:from:stride:rows:terms:)`` of `cells` cells a row.
  static func packedRows(_ rows: Int, cells: Int) -> Int {
    let depth = blockDepth(cells)
    return (cells + depth - 1) / max(depth, 1) * paddedRows(rows) * rowStride
  }

  /// Room for a packed B of `cells` rows.
  static func packedPanels(columns: Int, cells: Int) -> Int { paddedColumns(columns) * cells }
}

extension UnsafePointer<Int32> {
  @inline(__always)
  func cells(at index: Int) -> Cells {
    UnsafeRawPointer(self + index).loadUnaligned(as: Cells.self)
  }
}

extension UnsafeMutablePointer<Int32> {
  @inline(__always)
  func store(_ cells: Cells, at index: Int) {
    UnsafeMutableRawPointer(self + index).storeBytes(of: cells, as: Cells.self)
  }
}

/// 32 neighbouring values as 16 pairs.
@inline(__always)
func neighbours(_ low: Lanes, _ high: Lanes) -> Cells { cl_bf16_neighbours(low, high) }

/// Pairs of one value of each vector.
@inline(__always)
func zipped(_ first: Lanes, _ second: Lanes) -> Cells { cl_bf16_zip(first, second) }

/// C (rows, 32) = or += A (12, K) · B (K, 32), K in cells: a block of a product.
///
/// - Parameters:
///   - c: rows `columnsOfC` apart; only the first `rows` of 12 are read and written.
///   - a: cell (i, k) at i·`rowStep` + k·`step`; all 12 rows must be readable.
///   - b: rows `columnsOfB` cells apart.
@inline(__always)
func multiplyCells<Kind: CellKind>(
  _: Kind.Type, _ c: UnsafeMutablePointer<Float>, columnsOfC: Int, rows: Int, accumulate: Bool,
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
    let (low, high) = (b.cells(at: 0), b.cells(at: 16))
    let a0 = Cells(repeating: a[0])
    c0Low = Kind.multiply(c0Low, a0, low)
    c0High = Kind.multiply(c0High, a0, high)
    let a1 = Cells(repeating: a[rowStep])
    c1Low = Kind.multiply(c1Low, a1, low)
    c1High = Kind.multiply(c1High, a1, high)
    let a2 = Cells(repeating: a[2 &* rowStep])
    c2Low = Kind.multiply(c2Low, a2, low)
    c2High = Kind.multiply(c2High, a2, high)
    let a3 = Cells(repeating: a[3 &* rowStep])
    c3Low = Kind.multiply(c3Low, a3, low)
    c3High = Kind.multiply(c3High, a3, high)
    let a4 = Cells(repeating: a[4 &* rowStep])
    c4Low = Kind.multiply(c4Low, a4, low)
    c4High = Kind.multiply(c4High, a4, high)
    let a5 = Cells(repeating: a[5 &* rowStep])
    c5Low = Kind.multiply(c5Low, a5, low)
    c5High = Kind.multiply(c5High, a5, high)
    let a6 = Cells(repeating: a[6 &* rowStep])
    c6Low = Kind.multiply(c6Low, a6, low)
    c6High = Kind.multiply(c6High, a6, high)
    let a7 = Cells(repeating: a[7 &* rowStep])
    c7Low = Kind.multiply(c7Low, a7, low)
    c7High = Kind.multiply(c7High, a7, high)
    let a8 = Cells(repeating: a[8 &* rowStep])
    c8Low = Kind.multiply(c8Low, a8, low)
    c8High = Kind.multiply(c8High, a8, high)
    let a9 = Cells(repeating: a[9 &* rowStep])
    c9Low = Kind.multiply(c9Low, a9, low)
    c9High = Kind.multiply(c9High, a9, high)
    let a10 = Cells(repeating: a[10 &* rowStep])
    c10Low = Kind.multiply(c10Low, a10, low)
    c10High = Kind.multiply(c10High, a10, high)
    let a11 = Cells(repeating: a[11 &* rowStep])
    c11Low = Kind.multiply(c11Low, a11, low)
    c11High = Kind.multiply(c11High, a11, high)
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

/// C (rows, columns) = or += A · B, `cells` cells deep.
///
/// - Parameters:
///   - c: rows `stride` apart.
///   - a: rows packed by ``packCellRows(_:_:from:stride:rows:terms:)``.
///   - b: panels of 32 columns, [cells][32] each.
func cellProduct<Kind: CellKind>(
  _: Kind.Type, _ c: UnsafeMutablePointer<Float>, stride: Int, rows: Int, columns: Int, cells: Int,
  _ a: UnsafePointer<Int32>, _ b: UnsafePointer<Int32>, accumulate: Bool
) {
  let depth = CellTiles.blockDepth(cells)
  let rowsOfBlock = CellTiles.paddedRows(rows) &* CellTiles.rowStride
  var firstColumn = 0
  while firstColumn < columns {
    let endColumn = min(columns, firstColumn &+ CellTiles.columns)
    var (k, block) = (0, a)
    while k < cells {
      let K = min(depth, cells &- k)
      let adds = accumulate || k > 0
      var column = firstColumn
      while column < endColumn {
        let panel = b + (column &* cells &+ k &* blockColumns)
        cellBlocks(
          Kind.self, c + column, stride: stride, rows: rows, columns: min(blockColumns, endColumn &- column),
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
private func cellBlocks<Kind: CellKind>(
  _: Kind.Type, _ c: UnsafeMutablePointer<Float>, stride: Int, rows: Int, columns: Int, accumulate: Bool,
  _ a: UnsafePointer<Int32>, _ b: UnsafePointer<Int32>, K: Int
) {
  var row = 0
  while row < rows {
    let height = min(blockRows, rows &- row)
    let from = a + row &* CellTiles.rowStride
    if columns == blockColumns {
      multiplyCells(
        Kind.self, c + row &* stride, columnsOfC: stride, rows: height, accumulate: accumulate, from,
        rowStep: CellTiles.rowStride, step: 1, b, columnsOfB: blockColumns, K: K)
    } else {
      narrowCellBlock(
        Kind.self, c + row &* stride, stride: stride, rows: height, columns: columns, accumulate: accumulate,
        from, b, K: K)
    }
    row = row &+ blockRows
  }
}

@inline(never)
private func narrowCellBlock<Kind: CellKind>(
  _: Kind.Type, _ c: UnsafeMutablePointer<Float>, stride: Int, rows: Int, columns: Int, accumulate: Bool,
  _ a: UnsafePointer<Int32>, _ b: UnsafePointer<Int32>, K: Int
) {
  withUnsafeTemporaryAllocation(of: Float.self, capacity: blockRows * blockColumns) { block in
    guard let whole = block.baseAddress else { return }
    multiplyCells(
      Kind.self, whole, columnsOfC: blockColumns, rows: rows, accumulate: false, a, rowStep: CellTiles.rowStride, step: 1, b,
      columnsOfB: blockColumns, K: K)
    for row in 0..<rows {
      for column in 0..<columns {
        let value = whole[row * blockColumns + column]
        if accumulate { c[row * stride + column] += value } else { c[row * stride + column] = value }
      }
    }
  }
}
