// SPDX-License-Identifier: Apache-2.0

// Attention is computed tile by tile with an online softmax (Dao et al. 2022,
// https://arxiv.org/abs/2205.14135): a block of query rows of all query heads that share one
// key/value head, against a block of keys. Scores exist for one tile at a time, so memory grows with
// the rows and not with their square; tiles outside the causal triangle or the window are skipped.

/// One example and key/value head, and which of their queries and keys a task computes.
struct AttentionTask {
  /// Rows of the example.
  var example: Range<Int>
  /// First panel of the example's packed keys.
  var firstPanel: Int
  var keyValueHead: Int
  /// Rows of the queries, in the packed row.
  var queries: Range<Int>
  /// Rows of the keys; the first is a multiple of a panel's width from the example's first.
  var keys: Range<Int>
  /// Which partial dq the task writes; 0 is dq itself.
  var segment = 0
  /// Scores to compute, for the order of the tasks.
  var cost: Int
}

/// Sizes and strides that all tiles of a call share.
struct AttentionGeometry {
  let heads: Int
  let keyValueHeads: Int
  let headSize: Int
  let scale: Float
  let window: Int
  let softcap: Float?
  /// The examples that have rows, and the first panel of each one's keys.
  let examples: [(rows: Range<Int>, firstPanel: Int)]
  /// Panels of all keys: each example starts a new one.
  let panels: Int

  /// Keys of a tile.
  static let keyBlock = 256

  init(_ shape: AttentionShape) {
    precondition(shape.keyValueHeads > 0 && shape.heads % shape.keyValueHeads == 0)
    precondition(shape.window ?? 1 >= 1, "a window of no keys")
    heads = shape.heads
    keyValueHeads = shape.keyValueHeads
    headSize = shape.headSize
    scale = shape.scale
    window = shape.window ?? Int(Int32.max)
    softcap = shape.softcap
    var panels = 0
    var examples: [(Range<Int>, Int)] = []
    for (start, end) in zip(shape.starts, shape.starts.dropFirst()) where start < end {
      examples.append((Int(start)..<Int(end), panels))
      panels += (Int(end - start) + blockColumns - 1) / blockColumns
    }
    self.examples = examples
    self.panels = panels
  }

  /// Query heads that read one key/value head.
  var group: Int { heads / keyValueHeads }
  /// Floats from one row of q to the next.
  var queryStride: Int { heads * headSize }
  /// Floats from one row of k or v to the next.
  var keyStride: Int { keyValueHeads * headSize }
  /// Query rows of a tile: with all heads of the group about 192, and whole panels for each head.
  var queryBlock: Int { min(96, max(blockRows, 192 / group / blockRows * blockRows)) }
  /// Rows of a tile, all heads of the group, in whole panels.
  var tileRows: Int { (queryBlock * group + blockRows - 1) / blockRows * blockRows }
  /// The head size in whole blocks of columns: the row length of packed rows.
  var paddedSize: Int { (headSize + blockColumns - 1) / blockColumns * blockColumns }
  /// Floats of a tile of scores.
  var tileScores: Int { tileRows * tileStride }
  /// Floats of a tile of queries, in panels or in rows.
  var tileQueries: Int { tileRows * paddedSize }

  /// Floats of all keys in panels of 32, for each head and panel (D, 32).
  var panelFloats: Int { keyValueHeads * panels * blockColumns * headSize }
  /// Floats of all keys in rows of ``paddedSize``.
  var rowFloats: Int { keyValueHeads * panels * blockColumns * paddedSize }

  /// Where panel `panel` of a head starts.
  func panelOffset(_ panel: Int, head: Int) -> Int {
    (head * panels + panel) * blockColumns * headSize
  }

  /// Where row 0 of panel `panel` of a head starts.
  func rowOffset(_ panel: Int, head: Int) -> Int {
    (head * panels + panel) * blockColumns * paddedSize
  }

  /// First key that query `i` of an example that starts at `start` sees.
  func firstKey(of i: Int, start: Int) -> Int { max(start, i - window + 1) }

  /// Scores of the keys `keys` over all queries of the example that ends at `end`.
  func scores(of keys: Range<Int>, end: Int) -> Int {
    keys.reduce(0) { $0 + min(end - $1, window) }
  }
}

extension CPUDevice {
  /// Packs k or v into panels, into rows, or into both: see ``AttentionGeometry``. Missing keys of an
  /// example's last panel and the columns past the head size are 0.
  func packKeys(
    _ source: UnsafePointer<Float>, panels: UnsafeMutablePointer<Float>?,
    rows: UnsafeMutablePointer<Float>?, _ geometry: AttentionGeometry
  ) {
    for example in geometry.examples {
      let count = (example.rows.count + blockColumns - 1) / blockColumns
      loop(count * geometry.keyValueHeads) { task, _ in
        let (index, head) = (task / geometry.keyValueHeads, task % geometry.keyValueHeads)
        let first = example.rows.lowerBound + index * blockColumns
        let keys = first..<min(example.rows.upperBound, first + blockColumns)
        let panel = example.firstPanel + index
        let from = source + (first * geometry.keyStride + head * geometry.headSize)
        if let panels {
          packPanel(
            panels + geometry.panelOffset(panel, head: head), from: from, rows: keys.count,
            stride: geometry.keyStride, width: blockColumns, D: geometry.headSize)
        }
        if let rows {
          packRows(
            rows + geometry.rowOffset(panel, head: head), from: from, rows: keys.count,
            stride: geometry.keyStride, height: blockColumns, factor: 1, D: geometry.headSize,
            paddedSize: geometry.paddedSize)
        }
      }
    }
  }
}

/// Four rows of D values into four neighbouring columns of a panel, times `factor`: a transposition in
/// registers, four values of each row at a time.
@inline(__always)
private func packFourRows(
  _ to: UnsafeMutablePointer<Float>, width: Int, _ row0: UnsafePointer<Float>,
  _ row1: UnsafePointer<Float>, _ row2: UnsafePointer<Float>, _ row3: UnsafePointer<Float>,
  factor: Float, D: Int
) {
  typealias Four = SIMD4<Float>
  @inline(__always)
  func load(_ row: UnsafePointer<Float>, _ d: Int) -> Four {
    UnsafeRawPointer(row + d).loadUnaligned(as: Four.self) * factor
  }
  @inline(__always)
  func store(_ four: Four, _ d: Int) {
    UnsafeMutableRawPointer(to + d &* width).storeBytes(of: four, as: Four.self)
  }
  var d = 0
  while d &+ 4 <= D {
    let (a, b, c, e) = (load(row0, d), load(row1, d), load(row2, d), load(row3, d))
    store(Four(a[0], b[0], c[0], e[0]), d)
    store(Four(a[1], b[1], c[1], e[1]), d &+ 1)
    store(Four(a[2], b[2], c[2], e[2]), d &+ 2)
    store(Four(a[3], b[3], c[3], e[3]), d &+ 3)
    d = d &+ 4
  }
  while d < D {
    store(Four(row0[d], row1[d], row2[d], row3[d]) * factor, d)
    d = d &+ 1
  }
}

/// A panel (D, width): value (row, d) at d·width + row, 0 for rows that are missing.
private func packPanel(
  _ panel: UnsafeMutablePointer<Float>, from: UnsafePointer<Float>, rows: Int, stride: Int,
  width: Int, D: Int
) {
  var row = 0
  while row &+ 4 <= rows {
    let source = from + row &* stride
    packFourRows(
      panel + row, width: width, source, source + stride, source + 2 &* stride,
      source + 3 &* stride, factor: 1, D: D)
    row = row &+ 4
  }
  while row < width {
    for d in 0..<D { panel[d &* width &+ row] = row < rows ? from[row &* stride &+ d] : 0 }
    row = row &+ 1
  }
}

/// Rows of `paddedSize`, `height` of them, 0 past D and past `rows`.
func packRows(
  _ packed: UnsafeMutablePointer<Float>, from: UnsafePointer<Float>, rows: Int, stride: Int,
  height: Int, factor: Float, D: Int, paddedSize: Int
) {
  for row in 0..<rows {
    let (source, to) = (from + row &* stride, packed + row &* paddedSize)
    for d in 0..<D { to[d] = source[d] * factor }
    for d in D..<paddedSize { to[d] = 0 }
  }
  (packed + rows &* paddedSize).update(repeating: 0, count: (height &- rows) &* paddedSize)
}

/// Packs a block of queries, all heads of the group: row g·B + i is head g of query i. Each value is
/// multiplied by `factor`.
///
/// - Parameters:
///   - panels: panels of 12 rows, (D, 12) each, the last one filled up with 0.
///   - packedRows: rows of the padded head size, or nil.
func packQueries(
  panels: UnsafeMutablePointer<Float>, packedRows: UnsafeMutablePointer<Float>?,
  from q: UnsafePointer<Float>, rows: Range<Int>, keyValueHead: Int, factor: Float,
  geometry: AttentionGeometry
) {
  let (D, B) = (geometry.headSize, rows.count)
  let count = B &* geometry.group
  let whole = (count &+ blockRows &- 1) / blockRows &* blockRows
  @inline(__always)
  func source(_ r: Int) -> UnsafePointer<Float> {
    let head = keyValueHead &* geometry.group &+ r / B
    return q + ((rows.lowerBound &+ r % B) &* geometry.queryStride &+ head &* D)
  }
  for r in stride(from: 0, to: whole, by: 4) {
    let panel = panels + (r / blockRows &* blockRows &* D &+ r % blockRows)
    if r &+ 4 <= count {
      packFourRows(
        panel, width: blockRows, source(r), source(r &+ 1), source(r &+ 2), source(r &+ 3),
        factor: factor, D: D)
      continue
    }
    for part in 0..<4 {
      let from = r &+ part < count ? source(r &+ part) : nil
      for d in 0..<D { panel[d &* blockRows &+ part] = from.map { $0[d] * factor } ?? 0 }
    }
  }
  guard let packedRows else { return }
  for r in 0..<count {
    packRows(
      packedRows + r &* geometry.paddedSize, from: source(r), rows: 1, stride: 0, height: 1,
      factor: factor, D: D, paddedSize: geometry.paddedSize)
  }
}

/// The columns of a tile that query `i` sees, when the tile's keys are `keys`.
@inline(__always)
func visibleColumns(_ i: Int, _ keys: Range<Int>, start: Int, window: Int) -> (first: Int, end: Int) {
  let first = max(0, max(start, i &- window &+ 1) &- keys.lowerBound)
  let end = min(keys.count, i &+ 1 &- keys.lowerBound)
  return (first, end)
}

/// Sets the columns outside `first ..< end` of a row of scores to `value`, up to a whole number of
/// vectors: `count` columns rounded up.
@inline(__always)
func maskRow(
  _ row: UnsafeMutablePointer<Float>, first: Int, end: Int, count: Int, value: Float
) {
  for column in 0..<first { row[column] = value }
  for column in end..<((count &+ 15) & ~15) { row[column] = value }
}
