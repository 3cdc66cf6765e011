// SPDX-License-Identifier: Apache-2.0

// What the two directions of attention with bfloat16 products share: packed keys and queries, and the
// products of a tile. Tiles, masks and the order of tasks are those of float32.

/// Cells from one row of attention weights, in pairs along the keys, to the next.
let weightStride = 144

extension AttentionGeometry {
  /// Cells of a head's values.
  var headPairs: Int { BFloat16Pair.cells(headSize) }
  /// Cells of all keys in panels [pairs][32], for each head.
  var pairPanels: Int { keyValueHeads * panels * blockColumns * headPairs }
  /// Cells of all keys, two rows to a row of ``paddedSize`` pairs, for each head.
  var pairRows: Int { keyValueHeads * panels * blockColumns / 2 * paddedSize }
  /// Cells of a tile of queries, in panels or in rows of pairs.
  var tileQueryPairs: Int { (tileRows + blockRows) * max(headPairs, paddedSize / 2) }

  func pairPanelOffset(_ panel: Int, head: Int) -> Int {
    (head * panels + panel) * blockColumns * headPairs
  }

  func pairRowOffset(_ panel: Int, head: Int) -> Int {
    (head * panels + panel) * blockColumns / 2 * paddedSize
  }

  /// Queries of a tile for one head, filled up to whole pairs of rows.
  static func paddedQueries(_ count: Int) -> Int { (count + 1) & ~1 }
}

extension CPUDevice {
  /// Packs k or v in panels, in rows of pairs, or in both. Missing keys of an example's last panel and
  /// columns past the head size are 0.
  func packKeyPairs(
    _ source: UnsafePointer<Float>, panels: UnsafeMutablePointer<Int32>?,
    rows: UnsafeMutablePointer<Int32>?, _ geometry: AttentionGeometry
  ) {
    let (D, pairs) = (geometry.headSize, geometry.headPairs)
    let stride = ScratchCursor.padded(pairs)
    let storage = workerScratch(blockColumns * stride, for: .attention)
    for example in geometry.examples {
      let count = (example.rows.count + blockColumns - 1) / blockColumns
      loop(count * geometry.keyValueHeads) { task, worker in
        let (index, head) = (task / geometry.keyValueHeads, task % geometry.keyValueHeads)
        let first = example.rows.lowerBound + index * blockColumns
        let keys = min(blockColumns, example.rows.upperBound - first)
        let from = source + (first * geometry.keyStride + head * D)
        let panel = example.firstPanel + index
        if let panels {
          var cursor = ScratchCursor(storage[worker])
          let packed = cursor.takeCells(blockColumns * stride)
          for key in 0..<keys {
            packPairs(packed + key * stride, from: from + key * geometry.keyStride, terms: D)
          }
          packCellPanel(
            panels + geometry.pairPanelOffset(panel, head: head), width: blockColumns, from: packed,
            stride: stride, rows: keys, cells: pairs)
        }
        if let rows {
          let to = rows + geometry.pairRowOffset(panel, head: head)
          for pair in 0..<blockColumns / 2 {
            zipRows(
              to + pair * geometry.paddedSize,
              2 * pair < keys ? from + 2 * pair * geometry.keyStride : nil,
              2 * pair + 1 < keys ? from + (2 * pair + 1) * geometry.keyStride : nil, geometry)
          }
        }
      }
    }
  }
}

/// Two rows of a head, or one, or none, to a row of pairs of the padded head size.
@inline(__always)
private func zipRows(
  _ to: UnsafeMutablePointer<Int32>, _ first: UnsafePointer<Float>?,
  _ second: UnsafePointer<Float>?, _ geometry: AttentionGeometry
) {
  guard let first else {
    to.update(repeating: 0, count: geometry.paddedSize)
    return
  }
  zipRows(BFloat16Pair.self, to, panelStride: blockColumns, first, second, columns: geometry.headSize)
}

/// Where a block of queries, or of their gradients, is packed for products of pairs.
struct PackedQueries {
  /// Panels of 12 rows, [pairs][12] each.
  let panels: UnsafeMutablePointer<Int32>
  /// Two rows a row of pairs of the padded head size, or nil.
  let rows: UnsafeMutablePointer<Int32>?

  /// Packs the queries `queries`, all heads of the group: row g·B + i is head g of query i, B being the
  /// padded number of queries; rows that are filled up are 0. Each value is multiplied by `factor`.
  ///
  /// - Parameters:
  ///   - floats: room for two rows in float32.
  ///   - pairs: room for 12 rows of pairs.
  func pack(
    from q: UnsafePointer<Float>, queries: Range<Int>, keyValueHead: Int, factor: Float,
    floats: UnsafeMutablePointer<Float>, pairs: UnsafeMutablePointer<Int32>,
    _ geometry: AttentionGeometry
  ) {
    let (D, B) = (geometry.headSize, AttentionGeometry.paddedQueries(queries.count))
    let (count, stride) = (B &* geometry.group, ScratchCursor.padded(geometry.headPairs))
    let floatStride = ScratchCursor.padded(D)
    for first in Swift.stride(from: 0, to: count, by: blockRows) {
      let height = min(blockRows, count &- first)
      for r in Swift.stride(from: first, to: first &+ height, by: 2) {
        for part in 0..<2 {
          let (head, i) = (keyValueHead &* geometry.group &+ (r &+ part) / B, (r &+ part) % B)
          let to = floats + part &* floatStride
          if i < queries.count {
            let from = q + ((queries.lowerBound &+ i) &* geometry.queryStride &+ head &* D)
            for d in 0..<D { to[d] = from[d] * factor }
          } else {
            to.update(repeating: 0, count: D)
          }
          packPairs(pairs + (r &- first &+ part) &* stride, from: to, terms: D)
        }
        if let rows {
          zipRows(
            BFloat16Pair.self, rows + r / 2 &* geometry.paddedSize, panelStride: blockColumns, floats,
            floats + floatStride, columns: D)
        }
      }
      packCellPanel(
        panels + first &* geometry.headPairs, width: blockRows, from: pairs, stride: stride,
        rows: height, cells: geometry.headPairs)
    }
  }
}

/// S = A · B with A in panels of 12 rows and B in panels of 32 columns, both of pairs. S has
/// ``tileStride``; whole blocks are written.
func pairPanelProduct(
  _ s: UnsafeMutablePointer<Float>, _ a: UnsafePointer<Int32>, _ b: UnsafePointer<Int32>,
  mask: TileMask, K: Int
) {
  for column in stride(from: 0, to: mask.columns, by: blockColumns) {
    for row in stride(from: 0, to: mask.rows, by: blockRows) where column < mask.seenColumns(row) {
      multiplyCells(
        BFloat16Pair.self, s + (row &* tileStride &+ column), columnsOfC: tileStride, rows: blockRows,
        accumulate: false, a + row &* K, rowStep: 1, step: blockRows, b + column &* K,
        columnsOfB: blockColumns, K: K)
    }
  }
}

/// C (rows, D) += W · B: W in rows of pairs along the keys, `weightStride` apart, B two keys a row of D
/// pairs; D is a multiple of 32 and the row length of B and C.
func pairTileProduct(
  _ c: UnsafeMutablePointer<Float>, _ w: UnsafePointer<Int32>, _ b: UnsafePointer<Int32>,
  mask: TileMask, D: Int
) {
  for column in stride(from: 0, to: D, by: blockColumns) {
    for row in stride(from: 0, to: mask.rows, by: blockRows) {
      multiplyCells(
        BFloat16Pair.self, c + (row &* D &+ column), columnsOfC: D, rows: min(blockRows, mask.rows &- row),
        accumulate: true, w + row &* weightStride, rowStep: weightStride, step: 1, b + column,
        columnsOfB: D, K: BFloat16Pair.cells(mask.seenColumns(row)))
    }
  }
}

/// C (columns, D) += Wᵀ · B: W in rows of pairs of two query rows, ``tileStride`` apart, B two query rows
/// a row of D pairs.
func transposedPairProduct(
  _ c: UnsafeMutablePointer<Float>, _ w: UnsafePointer<Int32>, _ b: UnsafePointer<Int32>,
  mask: TileMask, D: Int
) {
  for column in stride(from: 0, to: D, by: blockColumns) {
    for key in stride(from: 0, to: mask.columns, by: blockRows) {
      // All rows at once where each query sees the key, else head by head; weights of queries that
      // do not see it are 0.
      let skipped = mask.firstQuery(key) & ~1
      let run = skipped == 0 ? mask.rows : mask.queries
      for row in stride(from: 0, to: mask.rows, by: run) {
        let pair = (row &+ skipped) / 2
        multiplyCells(
        BFloat16Pair.self,   c + (key &* D &+ column), columnsOfC: D, rows: min(blockRows, mask.columns &- key),
          accumulate: true, w + (pair &* tileStride &+ key), rowStep: 1, step: tileStride,
          b + (pair &* D &+ column), columnsOfB: D, K: (run &- skipped) / 2)
      }
    }
  }
}
