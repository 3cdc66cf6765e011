// SPDX-License-Identifier: Apache-2.0

// y = x · wᵀ and dx = dy · w with bfloat16 operands: frozen w (O, I) is expanded and packed panel by
// panel by all threads, and each task packs the rows that it multiplies. What is packed where depends
// on the shapes alone, and so do the sums.

/// How a product of a frozen matrix is cut.
private enum PairLinearTiles {
  /// Weights that are packed at one time: they stay in the last-level cache.
  static let weights = 1 << 22
  /// Rows of a task, at most.
  static let rows = 120
  /// Tasks that keep several threads evenly busy.
  static let wantedTasks = 16

  /// Weight rows of a panel, in whole blocks of columns.
  static func panelRows(columns: Int) -> Int {
    max(blockColumns, weights / max(columns, 1) / blockColumns * blockColumns)
  }
}

extension CPUDevice {
  func pairLinearForward(
    _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ weight: Matrix, rows: Int,
    accumulate: Bool
  ) {
    let (inputs, outputs) = (weight.columns, weight.rows)
    guard outputs > 0, rows > 0 else { return }
    if inputs == 0, !accumulate { y.update(repeating: 0, count: rows * outputs) }
    let source = source(weight)
    let pairs = PairTiles.pairs(inputs)
    let limit = min(PairLinearTiles.panelRows(columns: inputs), PairTiles.paddedColumns(outputs))
    var shared = ScratchCursor(sharedScratch(limit * pairs, for: .weights))
    let packed = shared.takePairs(limit * pairs)
    for first in stride(from: 0, to: outputs, by: limit) {
      let panel = first..<min(outputs, first + limit)
      packTransposed(packed, source, panel)
      pairTiles(
        y + first, stride: outputs, rows: rows, columns: panel.count, terms: inputs, from: x,
        stride: inputs, packed, accumulate: accumulate)
    }
  }

  func pairLinearBackward(
    _ dx: UnsafeMutablePointer<Float>, _ dy: UnsafePointer<Float>, _ weight: Matrix, rows: Int,
    accumulate: Bool
  ) {
    let (inputs, outputs) = (weight.columns, weight.rows)
    guard outputs > 0, inputs > 0, rows > 0 else { return }
    let source = source(weight)
    let limit = min(PairLinearTiles.panelRows(columns: inputs), outputs)
    let size = PairTiles.packedPanels(columns: inputs, terms: limit)
    var shared = ScratchCursor(sharedScratch(size, for: .weights))
    let packed = shared.takePairs(size)
    // Panels follow one another, so each value of dx gets its terms in the order of w's rows.
    for first in stride(from: 0, to: outputs, by: limit) {
      let panel = first..<min(outputs, first + limit)
      packZipped(packed, source, panel)
      pairTiles(
        dx, stride: inputs, rows: rows, columns: inputs, terms: panel.count, from: dy + first,
        stride: outputs, packed, accumulate: accumulate || first > 0)
    }
  }

  /// wᵀ of the rows `panel`, each row a column.
  private func packTransposed(
    _ packed: UnsafeMutablePointer<Int32>, _ source: WeightSource, _ panel: Range<Int>
  ) {
    let columns = source.matrix.columns
    let pairs = PairTiles.pairs(columns)
    let storage = workerScratch(TransposedPanelScratch.floats(columns: columns), for: .weights)
    loop((panel.count + blockColumns - 1) / blockColumns) { task, worker in
      let first = panel.lowerBound + task * blockColumns
      packTransposedPanel(
        packed + task * blockColumns * pairs, source,
        first..<min(panel.upperBound, first + blockColumns),
        TransposedPanelScratch(storage[worker], columns: columns))
    }
  }

  /// w of the rows `panel`, two rows a row of pairs.
  private func packZipped(
    _ packed: UnsafeMutablePointer<Int32>, _ source: WeightSource, _ panel: Range<Int>
  ) {
    let columns = source.matrix.columns
    let pairs = PairTiles.pairs(panel.count)
    let storage = workerScratch(2 * columns, for: .weights)
    let chunk = max(1, (1 << 14) / max(columns, 1))
    loop((pairs + chunk - 1) / chunk) { task, worker in
      for k in task * chunk..<min(pairs, (task + 1) * chunk) {
        let first = panel.lowerBound + 2 * k
        zipWeightRows(
          packed + k * blockColumns, panelStride: pairs * blockColumns, source,
          first..<min(panel.upperBound, first + 2), storage: storage[worker])
      }
    }
  }

  /// Adds or writes each tile of C (rows, columns), in parallel: the tile's rows of A are packed next to
  /// their product with the packed B.
  private func pairTiles(
    _ c: UnsafeMutablePointer<Float>, stride columnsOfC: Int, rows: Int, columns: Int, terms: Int,
    from source: UnsafePointer<Float>, stride: Int, _ b: UnsafePointer<Int32>, accumulate: Bool
  ) {
    let blocks = (rows + blockRows - 1) / blockRows
    let down = (blocks * blockRows + PairLinearTiles.rows - 1) / PairLinearTiles.rows
    let wide = (columns + 4 * blockColumns - 1) / (4 * blockColumns)
    let across = max(1, min(wide, PairLinearTiles.wantedTasks / down))
    let panels = (columns + blockColumns - 1) / blockColumns
    let pairs = PairTiles.pairs(terms)
    // Rows that lie a multiple of 4 KiB apart would push one another out of the caches.
    let collides = columnsOfC % 1024 == 0 && pairs > PairTiles.depth
    let tileFloats = collides ? PairLinearTiles.rows * PairTiles.columns : 0
    let packedPairs = PairTiles.packedRows(PairLinearTiles.rows, terms: terms)
    let storage = workerScratch(packedPairs + tileFloats, for: .weights)
    loop(down * across) { task, worker in
      let (i, j) = (task / across, task % across)
      let tileRows = i * blocks / down * blockRows..<min(rows, (i + 1) * blocks / down * blockRows)
      let tileColumns =
        j * panels / across * blockColumns..<min(columns, (j + 1) * panels / across * blockColumns)
      var cursor = ScratchCursor(storage[worker])
      let a = cursor.takePairs(packedPairs)
      packPairRows(
        a, from: source + tileRows.lowerBound * stride, stride: stride, rows: tileRows.count,
        terms: terms)
      let to = c + (tileRows.lowerBound * columnsOfC)
      if collides {
        bufferedProduct(
          to, stride: columnsOfC, rows: tileRows.count, columns: tileColumns, pairs: pairs, a, b,
          accumulate: accumulate, buffer: cursor.next)
      } else {
        pairProduct(
          to + tileColumns.lowerBound, stride: columnsOfC, rows: tileRows.count,
          columns: tileColumns.count, pairs: pairs, a, b + tileColumns.lowerBound * pairs,
          accumulate: accumulate)
      }
    }
  }
}

/// ``pairProduct(_:stride:rows:columns:pairs:_:_:accumulate:)`` by way of a buffer whose rows lie close.
private func bufferedProduct(
  _ c: UnsafeMutablePointer<Float>, stride: Int, rows: Int, columns: Range<Int>, pairs: Int,
  _ a: UnsafePointer<Int32>, _ b: UnsafePointer<Int32>, accumulate: Bool,
  buffer: UnsafeMutablePointer<Float>
) {
  for first in Swift.stride(from: columns.lowerBound, to: columns.upperBound, by: PairTiles.columns)
  {
    let width = min(PairTiles.columns, columns.upperBound - first)
    pairProduct(
      buffer, stride: PairTiles.columns, rows: rows, columns: width, pairs: pairs, a,
      b + first * pairs, accumulate: false)
    for row in 0..<rows {
      let (from, to) = (buffer + row * PairTiles.columns, c + (row * stride + first))
      if accumulate { addKernel(to, from, N: width) } else { to.update(from: from, count: width) }
    }
  }
}

/// What ``packTransposedPanel(_:_:_:_:)`` needs.
struct TransposedPanelScratch {
  let row: UnsafeMutablePointer<Float>
  let pairs: UnsafeMutablePointer<Int32>
  /// Pairs from one row to the next.
  let stride: Int

  init(_ start: UnsafeMutablePointer<Float>, columns: Int) {
    var cursor = ScratchCursor(start)
    row = cursor.take(columns)
    stride = Self.stride(columns)
    pairs = cursor.takePairs(stride * blockColumns)
  }

  static func floats(columns: Int) -> Int {
    ScratchCursor.padded(columns) + stride(columns) * blockColumns
  }

  /// Whole vectors, and an odd number of them.
  private static func stride(_ columns: Int) -> Int {
    ScratchCursor.padded(PairTiles.pairs(columns)) | 16
  }
}

/// Up to 32 weight rows to the columns of a panel [pairs][32].
func packTransposedPanel(
  _ panel: UnsafeMutablePointer<Int32>, _ source: WeightSource, _ rows: Range<Int>,
  _ scratch: TransposedPanelScratch
) {
  let columns = source.matrix.columns
  for row in rows {
    packPairs(
      scratch.pairs + (row - rows.lowerBound) * scratch.stride,
      from: source.rows(row..<row + 1, storage: scratch.row), terms: columns)
  }
  packPairPanel(
    panel, width: blockColumns, from: scratch.pairs, stride: scratch.stride, rows: rows.count,
    pairs: PairTiles.pairs(columns))
}

/// One or two weight rows to a row of pairs in each panel.
func zipWeightRows(
  _ panels: UnsafeMutablePointer<Int32>, panelStride: Int, _ source: WeightSource,
  _ rows: Range<Int>, storage: UnsafeMutablePointer<Float>
) {
  let columns = source.matrix.columns
  let w = source.rows(rows, storage: storage)
  zipPairRows(
    panels, panelStride: panelStride, w, rows.count > 1 ? w + columns : nil, columns: columns)
}
