// SPDX-License-Identifier: Apache-2.0

// The two products of the loss with bfloat16 operands, cut like those in float32.

extension CPUDevice {
  /// logits (rows, V) = hidden (rows, C) · headᵀ, one task a panel of the vocabulary.
  func pairHeadForward(
    _ logits: UnsafeMutablePointer<Float>, _ hidden: UnsafePointer<Float>, _ head: WeightSource,
    _ tiles: LossTiles, rows: Int, packed: UnsafeMutablePointer<Int32>
  ) {
    let (channels, vocabulary) = (head.matrix.columns, head.matrix.rows)
    let pairs = PairTiles.pairs(channels)
    loop(1) { _, _ in
      packPairRows(packed, from: hidden, stride: channels, rows: rows, terms: channels)
    }
    let panelFloats = PairTiles.packedPanels(columns: tiles.panel, terms: channels)
    let storage = workerScratch(
      panelFloats + TransposedPanelScratch.floats(columns: channels), for: .weights)
    loop(tiles.panels) { index, worker in
      let panel = tiles.vocabularyRange(index, vocabulary)
      var cursor = ScratchCursor(storage[worker])
      let b = cursor.takePairs(panelFloats)
      let scratch = TransposedPanelScratch(cursor.next, columns: channels)
      for first in stride(from: 0, to: panel.count, by: blockColumns) {
        let start = panel.lowerBound + first
        packTransposedPanel(
          b + first * pairs, head, start..<min(panel.upperBound, start + blockColumns), scratch)
      }
      pairProduct(
        logits + panel.lowerBound, stride: tiles.stride, rows: rows, columns: panel.count,
        pairs: pairs, UnsafePointer(packed), b, accumulate: false)
    }
  }

  /// The contribution of each group of panels to dHidden, in `partials`.
  func pairHeadBackward(
    _ gradient: UnsafePointer<Float>, _ partials: UnsafeMutablePointer<Float>,
    _ head: WeightSource, _ tiles: LossTiles, rows: Int
  ) {
    let (channels, vocabulary) = (head.matrix.columns, head.matrix.rows)
    let rowPairs = PairTiles.packedRows(rows, terms: tiles.panel)
    let panelPairs = PairTiles.packedPanels(columns: channels, terms: tiles.panel)
    let storage = workerScratch(rowPairs + panelPairs + 2 * channels + 64, for: .weights)
    let size = ScratchCursor.padded(rows * channels)
    loop(tiles.groups) { group, worker in
      var cursor = ScratchCursor(storage[worker])
      let (a, b) = (cursor.takePairs(rowPairs), cursor.takePairs(panelPairs))
      let first = group * tiles.panelsPerGroup
      for index in first..<min(tiles.panels, first + tiles.panelsPerGroup) {
        let panel = tiles.vocabularyRange(index, vocabulary)
        let pairs = PairTiles.pairs(panel.count)
        packPairRows(
          a, from: gradient + panel.lowerBound, stride: tiles.stride, rows: rows,
          terms: panel.count)
        for k in 0..<pairs {
          let row = panel.lowerBound + 2 * k
          zipWeightRows(
            b + k * blockColumns, panelStride: pairs * blockColumns, head,
            row..<min(panel.upperBound, row + 2), storage: cursor.next)
        }
        pairProduct(
          partials + group * size, stride: channels, rows: rows, columns: channels, pairs: pairs,
          a, b, accumulate: index > first)
      }
    }
  }
}
