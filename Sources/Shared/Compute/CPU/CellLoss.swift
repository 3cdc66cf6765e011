// SPDX-License-Identifier: Apache-2.0

// The two products of the loss on cells, cut as with OpenBLAS.

extension CPUDevice {
  /// As ``usesCells(_:)``, for the head: one panel of it is packed at a time, and a wide one does not fit
  /// the second cache.
  func usesCells(head: Matrix) -> Bool {
    precision == .bfloat16 || (Processor.hasWideVectors && head.columns <= 1024)
  }

  /// logits (rows, V) = hidden (rows, C) · headᵀ, one task a panel of the vocabulary.
  func cellHeadForward<Kind: CellKind>(
    _: Kind.Type, _ logits: UnsafeMutablePointer<Float>, _ hidden: UnsafePointer<Float>, _ head: WeightSource,
    _ tiles: LossTiles, rows: Int, packed: UnsafeMutablePointer<Int32>
  ) {
    let (channels, vocabulary) = (head.matrix.columns, head.matrix.rows)
    let cells = Kind.cells(channels)
    loop(1) { _, _ in
      packCellRows(Kind.self, packed, from: hidden, stride: channels, rows: rows, terms: channels)
    }
    let panelFloats = CellTiles.packedPanels(columns: tiles.panel, cells: cells)
    let storage = workerScratch(
      panelFloats + TransposedPanelScratch.floats(columns: channels, cells: cells), for: .weights)
    loop(tiles.panels) { index, worker in
      let panel = tiles.vocabularyRange(index, vocabulary)
      var cursor = ScratchCursor(storage[worker])
      let b = cursor.takeCells(panelFloats)
      let scratch = TransposedPanelScratch(cursor.next, columns: channels, cells: cells)
      for first in stride(from: 0, to: panel.count, by: blockColumns) {
        let start = panel.lowerBound + first
        packTransposedPanel(
          Kind.self, b + first * cells, head, start..<min(panel.upperBound, start + blockColumns), scratch)
      }
      cellProduct(
        Kind.self, logits + panel.lowerBound, stride: tiles.stride, rows: rows, columns: panel.count,
        cells: cells, UnsafePointer(packed), b, accumulate: false)
    }
  }

  /// The contribution of each group of panels to dHidden, in `partials`.
  func cellHeadBackward<Kind: CellKind>(
    _: Kind.Type, _ gradient: UnsafePointer<Float>, _ partials: UnsafeMutablePointer<Float>,
    _ head: WeightSource, _ tiles: LossTiles, rows: Int
  ) {
    let (channels, vocabulary) = (head.matrix.columns, head.matrix.rows)
    let rowCells = CellTiles.packedRows(rows, cells: Kind.cells(tiles.panel))
    let panelCells = CellTiles.packedPanels(
      columns: channels, cells: Kind.cells(tiles.panel))
    let storage = workerScratch(rowCells + panelCells + 2 * channels + 64, for: .weights)
    let size = ScratchCursor.padded(rows * channels)
    loop(tiles.groups) { group, worker in
      var cursor = ScratchCursor(storage[worker])
      let (a, b) = (cursor.takeCells(rowCells), cursor.takeCells(panelCells))
      let first = group * tiles.panelsPerGroup
      for index in first..<min(tiles.panels, first + tiles.panelsPerGroup) {
        let panel = tiles.vocabularyRange(index, vocabulary)
        let cells = Kind.cells(panel.count)
        packCellRows(
          Kind.self, a, from: gradient + panel.lowerBound, stride: tiles.stride, rows: rows,
          terms: panel.count)
        for k in 0..<cells {
          let row = panel.lowerBound + Kind.terms * k
          zipWeightRows(
            Kind.self, b + k * blockColumns, panelStride: cells * blockColumns, head,
            row..<min(panel.upperBound, row + Kind.terms), storage: cursor.next)
        }
        cellProduct(
          Kind.self, partials + group * size, stride: channels, rows: rows, columns: channels,
          cells: cells, a, b, accumulate: index > first)
      }
    }
  }
}
