// SPDX-License-Identifier: Apache-2.0

// y = x · wᵀ and dx = dy · w on cells: frozen w (O, I) is expanded and packed panel by panel by all
// threads, and what an adapter adds is a few more terms of the same sums: [x, h] · [w, b]ᵀ, and each task packs the rows that it multiplies. What is packed where depends on the shapes
// alone, and so do the sums; those of a row do not depend on the rows around it.

/// How a product of a frozen matrix is cut.
private enum LinearTiles {
  /// Cells of w that are packed at one time: they stay in the last-level cache.
  static let cells = 1 << 21
  /// Rows of a task, at most.
  static let rows = 120
  /// Tasks that keep `threads` threads evenly busy. More of them would pack the same rows more often;
  /// no sum depends on how the output is cut.
  static func wantedTasks(threads: Int) -> Int { threads > 1 ? 5 * threads : 1 }

  /// Weight rows of a panel, in whole blocks of columns.
  static func panelRows(columns: Int, terms: Int) -> Int {
    max(blockColumns, cells * terms / max(columns, 1) / blockColumns * blockColumns)
  }
}

extension CPUDevice {
  /// Whether products with `weight` run on the kernels here, and not on OpenBLAS's: in float32 those
  /// are faster where w does not fit the last-level cache at one time, and where the program was built
  /// for a processor without the 32 registers of 16 floats that the kernels here want.
  func usesCells(_ weight: Matrix) -> Bool {
    precision == .bfloat16
      || (Processor.hasWideVectors && weight.rows * weight.columns <= LinearTiles.cells)
  }

  func cellLinearForward<Kind: CellKind>(
    _: Kind.Type, _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ weight: Matrix, rows: Int,
    accumulate: Bool, plus term: LowRankTerm?
  ) {
    let (inputs, outputs) = (weight.columns, weight.rows)
    guard outputs > 0, rows > 0 else { return }
    if inputs == 0, !accumulate { y.update(repeating: 0, count: rows * outputs) }
    let source = source(weight)
    let factor = term.map { UnsafePointer($0.factor.values(outputs * $0.rank)) }
    let cells = Kind.cells(inputs) + Kind.cells(term?.rank ?? 0)
    let limit = min(
      LinearTiles.panelRows(columns: inputs, terms: Kind.terms), CellTiles.paddedColumns(outputs))
    var shared = ScratchCursor(sharedScratch(limit * cells, for: .weights))
    let packed = shared.takeCells(limit * cells)
    for first in stride(from: 0, to: outputs, by: limit) {
      let panel = first..<min(outputs, first + limit)
      packTransposed(
        Kind.self, packed, source, panel, plus: term.map { $0.rank } ?? 0, of: factor)
      cellTiles(
        Kind.self, y + first, stride: outputs, rows: rows, columns: panel.count, terms: inputs, from: x,
        stride: inputs, plus: term, packed, accumulate: accumulate)
    }
  }

  func cellLinearBackward<Kind: CellKind>(
    _: Kind.Type, _ dx: UnsafeMutablePointer<Float>, _ dy: UnsafePointer<Float>, _ weight: Matrix, rows: Int,
    accumulate: Bool, plus term: LowRankTerm?
  ) {
    let (inputs, outputs) = (weight.columns, weight.rows)
    guard outputs > 0, inputs > 0, rows > 0 else { return }
    let source = source(weight)
    let limit = min(LinearTiles.panelRows(columns: inputs, terms: Kind.terms), outputs)
    let factor = term.map { UnsafePointer($0.factor.values($0.rank * inputs)) }
    let size = CellTiles.packedPanels(
      columns: inputs, cells: Kind.cells(limit) + Kind.cells(term?.rank ?? 0))
    var shared = ScratchCursor(sharedScratch(size, for: .weights))
    let packed = shared.takeCells(size)
    // Panels follow one another, so each value of dx gets its terms in the order of w's rows.
    for first in stride(from: 0, to: outputs, by: limit) {
      let panel = first..<min(outputs, first + limit)
      // What the adapter adds comes last.
      let added = panel.upperBound == outputs ? term : nil
      packZipped(Kind.self, packed, source, panel, plus: added?.rank ?? 0, of: factor)
      cellTiles(
        Kind.self, dx, stride: inputs, rows: rows, columns: inputs, terms: panel.count, from: dy + first,
        stride: outputs, plus: added, packed, accumulate: accumulate || first > 0)
    }
  }

  /// wᵀ of the rows `panel`, each row a column, and below it the rows of `factor` (rows of w, rank).
  private func packTransposed<Kind: CellKind>(
    _: Kind.Type, _ packed: UnsafeMutablePointer<Int32>, _ source: WeightSource, _ panel: Range<Int>,
    plus rank: Int, of factor: UnsafePointer<Float>?
  ) {
    let columns = source.matrix.columns
    let cells = Kind.cells(columns) + Kind.cells(rank)
    let storage = workerScratch(
      TransposedPanelScratch.floats(columns: columns, cells: cells), for: .weights)
    loop((panel.count + blockColumns - 1) / blockColumns) { task, worker in
      let first = panel.lowerBound + task * blockColumns
      packTransposedPanel(
        Kind.self, packed + task * blockColumns * cells, source,
        first..<min(panel.upperBound, first + blockColumns),
        TransposedPanelScratch(storage[worker], columns: columns, cells: cells),
        plus: rank, of: factor)
    }
  }

  /// w of the rows `panel`, a cell's terms from rows that follow one another, and then the rows of
  /// `factor` (rank, columns of w).
  private func packZipped<Kind: CellKind>(
    _: Kind.Type, _ packed: UnsafeMutablePointer<Int32>, _ source: WeightSource, _ panel: Range<Int>,
    plus rank: Int, of factor: UnsafePointer<Float>?
  ) {
    let columns = source.matrix.columns
    let own = Kind.cells(panel.count)
    let cells = own + Kind.cells(rank)
    let storage = workerScratch(2 * columns, for: .weights)
    let chunk = max(1, (1 << 14) / max(columns, 1))
    loop((cells + chunk - 1) / chunk) { task, worker in
      for k in task * chunk..<min(cells, (task + 1) * chunk) {
        if k >= own, let factor {
          let r = Kind.terms * (k - own)
          let row = factor + r * columns
          zipRows(
            Kind.self, packed + k * blockColumns, panelStride: cells * blockColumns, row,
            Kind.terms > 1 && r + 1 < rank ? row + columns : nil, columns: columns)
          continue
        }
        let first = panel.lowerBound + Kind.terms * k
        zipWeightRows(
          Kind.self, packed + k * blockColumns, panelStride: cells * blockColumns, source,
          first..<min(panel.upperBound, first + Kind.terms), storage: storage[worker])
      }
    }
  }

  /// Adds or writes each tile of C (rows, columns), in parallel: the tile's rows of A are packed next to
  /// their product with the packed B.
  private func cellTiles<Kind: CellKind>(
    _: Kind.Type, _ c: UnsafeMutablePointer<Float>, stride columnsOfC: Int, rows: Int, columns: Int, terms: Int,
    from source: UnsafePointer<Float>, stride: Int, plus term: LowRankTerm?, _ b: UnsafePointer<Int32>,
    accumulate: Bool
  ) {
    let blocks = (rows + blockRows - 1) / blockRows
    let down = (blocks * blockRows + LinearTiles.rows - 1) / LinearTiles.rows
    let wide = (columns + 4 * blockColumns - 1) / (4 * blockColumns)
    let across = max(1, min(wide, LinearTiles.wantedTasks(threads: loop.threads) / down))
    let panels = (columns + blockColumns - 1) / blockColumns
    let cells = Kind.cells(terms) + Kind.cells(term?.rank ?? 0)
    let hidden = term.map { UnsafePointer($0.hidden.values(rows * $0.stride) + $0.offset) }
    // Rows that lie a multiple of 4 KiB apart would push one another out of the caches.
    let collides = columnsOfC % 1024 == 0 && cells > CellTiles.depth
    let tileFloats = collides ? LinearTiles.rows * CellTiles.columns : 0
    let packedCells = CellTiles.packedRows(LinearTiles.rows, cells: cells)
    let appendedFloats = AppendedRows.storage(terms: term?.rank ?? 0)
    let storage = workerScratch(packedCells + appendedFloats + tileFloats, for: .weights)
    loop(down * across) { task, worker in
      let (i, j) = (task / across, task % across)
      let tileRows = i * blocks / down * blockRows..<min(rows, (i + 1) * blocks / down * blockRows)
      let tileColumns =
        j * panels / across * blockColumns..<min(columns, (j + 1) * panels / across * blockColumns)
      var cursor = ScratchCursor(storage[worker])
      let a = cursor.takeCells(packedCells)
      var appended: AppendedRows?
      if let term, let hidden {
        appended = AppendedRows(
          source: hidden + tileRows.lowerBound * term.stride, stride: term.stride, terms: term.rank,
          scale: term.scale, storage: cursor.take(appendedFloats))
      }
      packCellRows(
        Kind.self, a, from: source + tileRows.lowerBound * stride, stride: stride, rows: tileRows.count,
        terms: terms, appended: appended)
      let to = c + (tileRows.lowerBound * columnsOfC)
      if collides {
        bufferedProduct(
          Kind.self, to, stride: columnsOfC, rows: tileRows.count, columns: tileColumns, cells: cells, a, b,
          accumulate: accumulate, buffer: cursor.next)
      } else {
        cellProduct(
          Kind.self, to + tileColumns.lowerBound, stride: columnsOfC, rows: tileRows.count,
          columns: tileColumns.count, cells: cells, a, b + tileColumns.lowerBound * cells,
          accumulate: accumulate)
      }
    }
  }
}

/// ``cellProduct(_:_:stride:rows:columns:cells:_:_:accumulate:)`` by way of a buffer whose rows lie close.
private func bufferedProduct<Kind: CellKind>(
  _: Kind.Type, _ c: UnsafeMutablePointer<Float>, stride: Int, rows: Int, columns: Range<Int>, cells: Int,
  _ a: UnsafePointer<Int32>, _ b: UnsafePointer<Int32>, accumulate: Bool,
  buffer: UnsafeMutablePointer<Float>
) {
  for first in Swift.stride(from: columns.lowerBound, to: columns.upperBound, by: CellTiles.columns)
  {
    let width = min(CellTiles.columns, columns.upperBound - first)
    cellProduct(
      Kind.self, buffer, stride: CellTiles.columns, rows: rows, columns: width, cells: cells, a,
      b + first * cells, accumulate: false)
    for row in 0..<rows {
      let (from, to) = (buffer + row * CellTiles.columns, c + (row * stride + first))
      if accumulate { addKernel(to, from, N: width) } else { to.update(from: from, count: width) }
    }
  }
}

/// What ``packTransposedPanel(_:_:_:_:_:)`` needs.
struct TransposedPanelScratch {
  let row: UnsafeMutablePointer<Float>
  let cells: UnsafeMutablePointer<Int32>
  /// Cells from one row to the next.
  let stride: Int

  init(_ start: UnsafeMutablePointer<Float>, columns: Int, cells count: Int) {
    var cursor = ScratchCursor(start)
    row = cursor.take(columns)
    stride = Self.stride(count)
    cells = cursor.takeCells(stride * blockColumns)
  }

  static func floats(columns: Int, cells: Int) -> Int {
    ScratchCursor.padded(columns) + stride(cells) * blockColumns
  }

  /// Whole vectors, and an odd number of them; one more than `cells` need, for what is written behind
  /// the last cell of an appended row.
  private static func stride(_ cells: Int) -> Int { ScratchCursor.padded(cells + 16) | 16 }
}

/// Up to 32 weight rows to the columns of a panel [cells][32]; below each one its row of `factor`
/// (rows of w, rank).
func packTransposedPanel<Kind: CellKind>(
  _: Kind.Type, _ panel: UnsafeMutablePointer<Int32>, _ source: WeightSource, _ rows: Range<Int>,
  _ scratch: TransposedPanelScratch, plus rank: Int = 0, of factor: UnsafePointer<Float>? = nil
) {
  let columns = source.matrix.columns
  let own = Kind.cells(columns)
  for row in rows {
    let cells = scratch.cells + (row - rows.lowerBound) * scratch.stride
    if Kind.terms == 2, let pairs = source.bfloat16Row(row) {
      copyPairs(cells, from: pairs, columns: columns)
    } else {
      Kind.pack(cells, from: source.rows(row..<row + 1, storage: scratch.row), terms: columns)
    }
    if let factor { Kind.pack(cells + own, from: factor + row * rank, terms: rank) }
  }
  packCellPanel(
    panel, width: blockColumns, from: scratch.cells, stride: scratch.stride,
    rows: rows.count, cells: own + Kind.cells(rank))
}

/// The weight rows of a cell to a row of cells in each panel.
func zipWeightRows<Kind: CellKind>(
  _: Kind.Type, _ panels: UnsafeMutablePointer<Int32>, panelStride: Int, _ source: WeightSource,
  _ rows: Range<Int>, storage: UnsafeMutablePointer<Float>
) {
  let columns = source.matrix.columns
  if Kind.terms == 2, let first = source.bfloat16Row(rows.lowerBound) {
    let second = rows.count > 1 ? source.bfloat16Row(rows.lowerBound + 1) : nil
    zipPairs(panels, panelStride: panelStride, first, second, columns: columns)
    return
  }
  let w = source.rows(rows, storage: storage)
  zipRows(
    Kind.self, panels, panelStride: panelStride, w, rows.count > 1 ? w + columns : nil, columns: columns)
}
