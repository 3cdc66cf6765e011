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
        rows: rows, columns: panel.count, terms: inputs, from: x, stride: inputs
      ) { rows, columns, a in
        pairProduct(
          y + (rows.lowerBound * outputs + first + columns.lowerBound), stride: outputs,
          rows: rows.count, columns: columns.count, pairs: pairs, a,
          packed + columns.lowerBound * pairs, accumulate: accumulate)
      }
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
      let pairs = PairTiles.pairs(panel.count)
      packZipped(packed, source, panel)
      pairTiles(
        rows: rows, columns: inputs, terms: panel.count, from: dy + first, stride: outputs
      ) { rows, columns, a in
        pairProduct(
          dx + (rows.lowerBound * inputs + columns.lowerBound), stride: inputs, rows: rows.count,
          columns: columns.count, pairs: pairs, a, packed + columns.lowerBound * pairs,
          accumulate: accumulate || first > 0)
      }
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

  /// Calls `body` for each tile of a (rows, columns) output, in parallel, with the tile's rows packed.
  private func pairTiles(
    rows: Int, columns: Int, terms: Int, from source: UnsafePointer<Float>, stride: Int,
    _ body: (_ rows: Range<Int>, _ columns: Range<Int>, _ a: UnsafePointer<Int32>) -> Void
  ) {
    let blocks = (rows + blockRows - 1) / blockRows
    let down = (blocks * blockRows + PairLinearTiles.rows - 1) / PairLinearTiles.rows
    let wide = (columns + 4 * blockColumns - 1) / (4 * blockColumns)
    let across = max(1, min(wide, PairLinearTiles.wantedTasks / down))
    let panels = (columns + blockColumns - 1) / blockColumns
    let storage = workerScratch(PairTiles.packedRows(PairLinearTiles.rows, terms: terms), for: .weights)
    loop(down * across) { task, worker in
      let (i, j) = (task / across, task % across)
      let tileRows = i * blocks / down * blockRows..<min(rows, (i + 1) * blocks / down * blockRows)
      let tileColumns =
        j * panels / across * blockColumns..<min(columns, (j + 1) * panels / across * blockColumns)
      var cursor = ScratchCursor(storage[worker])
      let a = cursor.takePairs(PairTiles.packedRows(tileRows.count, terms: terms))
      packPairRows(
        a, from: source + tileRows.lowerBound * stride, stride: stride, rows: tileRows.count,
        terms: terms)
      body(tileRows, tileColumns, a)
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
