// SPDX-License-Identifier: Apache-2.0

// Operands to cells, in the order in which products read them.

/// Further terms of the rows of A, in cells of their own: the hidden states of a low-rank term.
struct AppendedRows {
  /// Rows of `terms` values, `stride` apart, of which each is multiplied by `scale`.
  let source: UnsafePointer<Float>
  let stride: Int
  let terms: Int
  let scale: Float
  /// Room for ``storage(terms:)`` floats.
  let storage: UnsafeMutablePointer<Float>

  /// Floats of `storage`.
  static func storage(terms: Int) -> Int { 2 * ScratchCursor.padded(terms) }
}

/// A (rows, terms) in float32 to rows of cells, block by block along the terms.
///
/// Cell k of row i lies in block k / depth at i·``CellTiles/rowStride`` + k mod depth; blocks follow one
/// another. Rows up to a whole block of the product keep what was there.
///
/// - Parameter appended: terms that follow, from the next whole cell on.
func packCellRows<Kind: CellKind>(
  _: Kind.Type, _ packed: UnsafeMutablePointer<Int32>, from source: UnsafePointer<Float>, stride: Int, rows: Int,
  terms: Int, appended: AppendedRows? = nil
) {
  let cells = Kind.cells(terms)
  let depth = CellTiles.blockDepth(cells &+ Kind.cells(appended?.terms ?? 0))
  let rowsOfBlock = CellTiles.paddedRows(rows) &* CellTiles.rowStride
  for row in 0..<rows {
    let from = source + row &* stride
    var (k, block) = (0, packed + row &* CellTiles.rowStride)
    while k < cells {
      let end = min(k &+ depth, cells)
      let first = Kind.terms &* k
      Kind.pack(block, from: from + first, terms: min(terms, Kind.terms &* end) &- first)
      k = end
      block += rowsOfBlock
    }
    guard let appended else { continue }
    let more = appendedCells(Kind.self, appended, row: row)
    for index in 0..<Kind.cells(appended.terms) {
      let k = cells &+ index
      packed[k / depth &* rowsOfBlock &+ row &* CellTiles.rowStride &+ k % depth] = more[index]
    }
  }
}

/// The cells of one appended row.
@inline(__always)
private func appendedCells<Kind: CellKind>(
  _: Kind.Type, _ appended: AppendedRows, row: Int
) -> UnsafeMutablePointer<Int32> {
  let (values, from) = (appended.storage, appended.source + row &* appended.stride)
  for r in 0..<appended.terms { values[r] = appended.scale * from[r] }
  let count = ScratchCursor.padded(appended.terms)
  let cells = UnsafeMutableRawPointer(values + count).bindMemory(to: Int32.self, capacity: count)
  Kind.pack(cells, from: values, terms: appended.terms)
  return cells
}

/// `terms` neighbouring values as pairs; writes whole vectors.
@inline(__always)
func packPairs(_ packed: UnsafeMutablePointer<Int32>, from: UnsafePointer<Float>, terms: Int) {
  var i = 0
  while i &+ 2 &* laneCount <= terms {
    packed.store(neighbours(from.lanes(at: i), from.lanes(at: i &+ laneCount)), at: i / 2)
    i = i &+ 2 &* laneCount
  }
  guard i < terms else { return }
  let left = terms &- i
  let high =
    left > laneCount ? from.lanes(at: i &+ laneCount, count: left &- laneCount) : Lanes.zero
  packed.store(neighbours(from.lanes(at: i, count: left), high), at: i / 2)
}

/// Up to `width` rows of cells, `stride` apart, to the columns of a panel [cells][width]; the columns of
/// missing rows become 0.
@inline(__always)
func packCellPanel(
  _ panel: UnsafeMutablePointer<Int32>, width: Int, from source: UnsafePointer<Int32>, stride: Int,
  rows: Int, cells: Int
) {
  typealias Four = SIMD4<Int32>
  @inline(__always)
  func load(_ row: Int, _ k: Int) -> Four {
    UnsafeRawPointer(source + (row &* stride &+ k)).loadUnaligned(as: Four.self)
  }
  @inline(__always)
  func store(_ four: Four, _ row: Int, _ k: Int) {
    UnsafeMutableRawPointer(panel + (k &* width &+ row)).storeBytes(of: four, as: Four.self)
  }
  if rows < width { panel.update(repeating: 0, count: cells &* width) }
  let whole = rows & ~3
  for first in Swift.stride(from: 0, to: cells, by: 16) {
    let end = min(cells, first &+ 16)
    var row = 0
    while row < whole {
      var k = first
      while k &+ 4 <= end {
        let (a, b) = (load(row, k), load(row &+ 1, k))
        let (c, d) = (load(row &+ 2, k), load(row &+ 3, k))
        store(Four(a[0], b[0], c[0], d[0]), row, k)
        store(Four(a[1], b[1], c[1], d[1]), row, k &+ 1)
        store(Four(a[2], b[2], c[2], d[2]), row, k &+ 2)
        store(Four(a[3], b[3], c[3], d[3]), row, k &+ 3)
        k = k &+ 4
      }
      while k < end {
        for part in 0..<4 {
          panel[k &* width &+ row &+ part] = source[(row &+ part) &* stride &+ k]
        }
        k = k &+ 1
      }
      row = row &+ 4
    }
    while row < rows {
      for k in first..<end { panel[k &* width &+ row] = source[row &* stride &+ k] }
      row = row &+ 1
    }
  }
}

/// One or two rows of float32 values to one row of cells in each panel: (`first`[n], `second`[n]) to
/// column n mod 32 of panel n / 32.
///
/// - Parameters:
///   - panels: row `k` of the first panel; panels are `panelStride` cells apart.
///   - second: nil where a cell holds one term, or the number of terms is odd.
func zipRows<Kind: CellKind>(
  _: Kind.Type, _ panels: UnsafeMutablePointer<Int32>, panelStride: Int, _ first: UnsafePointer<Float>,
  _ second: UnsafePointer<Float>?, columns: Int
) {
  var (n, to) = (0, panels)
  while n &+ blockColumns <= columns {
    let m = n &+ laneCount
    to.store(Kind.zip(first.lanes(at: n), second?.lanes(at: n) ?? .zero), at: 0)
    to.store(Kind.zip(first.lanes(at: m), second?.lanes(at: m) ?? .zero), at: laneCount)
    n = n &+ blockColumns
    to += panelStride
  }
  guard n < columns else { return }
  @inline(__always)
  func last(_ row: UnsafePointer<Float>, _ at: Int) -> Lanes {
    row.lanes(at: at, count: max(0, columns &- at))
  }
  let m = n &+ laneCount
  to.store(Kind.zip(last(first, n), second.map { last($0, n) } ?? .zero), at: 0)
  to.store(Kind.zip(last(first, m), second.map { last($0, m) } ?? .zero), at: laneCount)
}
