// SPDX-License-Identifier: Apache-2.0

// Attention is computed tile by tile with an online softmax (Dao et al. 2022,
// https://arxiv.org/abs/2205.14135): a block of query rows of all query heads that share one
// key/value head, against a block of keys. Scores exist for one tile at a time, so memory grows with
// the rows and not with their square; tiles outside the causal triangle or the window are skipped.

/// One example and key/value head, and which of their queries and keys a task computes.
struct AttentionTask {
  /// First row of the example.
  var start: Int
  var keyValueHead: Int
  /// Rows of the queries, in the packed row.
  var queries: Range<Int>
  /// Rows of the keys.
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
  }

  /// Query heads that read one key/value head.
  var group: Int { heads / keyValueHeads }
  /// Floats from one row of q to the next.
  var queryStride: Int { heads * headSize }
  /// Floats from one row of k or v to the next.
  var keyStride: Int { keyValueHeads * headSize }
  /// Query rows of a tile: with all heads of the group about 192.
  var queryBlock: Int { min(128, max(16, 192 / group & ~15)) }
  /// Rows of a tile, all heads of the group.
  var tileRows: Int { queryBlock * group }
  /// Floats of a tile of scores.
  var tileScores: Int { tileRows * Self.keyBlock }
  /// Floats of a tile of queries.
  var tileQueries: Int { ScratchCursor.padded(tileRows * headSize) }

  /// First key that query `i` of an example that starts at `start` sees.
  func firstKey(of i: Int, start: Int) -> Int { max(start, i - window + 1) }

  /// Scores of the keys `keys` over all queries of the example that ends at `end`.
  func scores(of keys: Range<Int>, end: Int) -> Int {
    keys.reduce(0) { $0 + min(end - $1, window) }
  }
}

/// Copies a block of queries, all heads of the group, to rows of `headSize`: row g·B + i holds head g
/// of query i. Each value is multiplied by `factor`.
func packQueries(
  _ packed: UnsafeMutablePointer<Float>, from q: UnsafePointer<Float>, rows: Range<Int>,
  keyValueHead: Int, factor: Float, geometry: AttentionGeometry
) {
  let (D, stride) = (geometry.headSize, geometry.queryStride)
  for g in 0..<geometry.group {
    let head = keyValueHead &* geometry.group &+ g
    for (i, row) in rows.enumerated() {
      let from = q + (row &* stride &+ head &* D)
      let to = packed + (g &* rows.count &+ i) &* D
      for d in 0..<D { to[d] = from[d] * factor }
    }
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
