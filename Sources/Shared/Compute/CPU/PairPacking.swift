// SPDX-License-Identifier: Apache-2.0

// Operands to bfloat16, in the order in which products of pairs read them.

/// A (rows, terms) in float32 to rows of pairs, block by block along the terms.
///
/// Pair k of row i lies in block k / depth at i·``PairTiles/rowStride`` + k mod depth; blocks follow one
/// another. Rows up to a whole block of the product keep what was there.
func packPairRows(
  _ packed: UnsafeMutablePointer<Int32>, from source: UnsafePointer<Float>, stride: Int, rows: Int,
  terms: Int
) {
  let pairs = PairTiles.pairs(terms)
  let depth = PairTiles.blockDepth(pairs)
  let rowsOfBlock = PairTiles.paddedRows(rows) &* PairTiles.rowStride
  for row in 0..<rows {
    let from = source + row &* stride
    var (k, block) = (0, packed + row &* PairTiles.rowStride)
    while k < pairs {
      let end = min(k &+ depth, pairs)
      packPairs(block, from: from + 2 &* k, terms: min(terms, 2 &* end) &- 2 &* k)
      k = end
      block += rowsOfBlock
    }
  }
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

/// Up to `width` rows of pairs, `stride` apart, to the columns of a panel [pairs][width]; the columns of
/// missing rows become 0.
@inline(__always)
func packPairPanel(
  _ panel: UnsafeMutablePointer<Int32>, width: Int, from source: UnsafePointer<Int32>, stride: Int,
  rows: Int, pairs: Int
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
  if rows < width { panel.update(repeating: 0, count: pairs &* width) }
  let whole = rows & ~3
  for first in Swift.stride(from: 0, to: pairs, by: 16) {
    let end = min(pairs, first &+ 16)
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

/// Two rows of float32 values to one row of pairs in each panel: pair (`first`[n], `second`[n]) to
/// column n mod 32 of panel n / 32.
///
/// - Parameters:
///   - panels: row `k` of the first panel; panels are `panelStride` pairs apart.
///   - second: nil where the number of terms is odd.
func zipPairRows(
  _ panels: UnsafeMutablePointer<Int32>, panelStride: Int, _ first: UnsafePointer<Float>,
  _ second: UnsafePointer<Float>?, columns: Int
) {
  var (n, to) = (0, panels)
  while n &+ blockColumns <= columns {
    let m = n &+ laneCount
    to.store(zipped(first.lanes(at: n), second?.lanes(at: n) ?? .zero), at: 0)
    to.store(zipped(first.lanes(at: m), second?.lanes(at: m) ?? .zero), at: laneCount)
    n = n &+ blockColumns
    to += panelStride
  }
  guard n < columns else { return }
  @inline(__always)
  func last(_ row: UnsafePointer<Float>, _ at: Int) -> Lanes {
    row.lanes(at: at, count: max(0, columns &- at))
  }
  let m = n &+ laneCount
  to.store(zipped(last(first, n), second.map { last($0, n) } ?? .zero), at: 0)
  to.store(zipped(last(first, m), second.map { last($0, m) } ?? .zero), at: laneCount)
}
