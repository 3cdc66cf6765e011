// SPDX-License-Identifier: Apache-2.0

// y = x · wᵀ and dx = dy · w for frozen w (O, I).
//
// A weight panel is expanded to float32 once a call, by all threads, and then multiplied with all
// rows; the product is cut into tiles of the output, each one call of OpenBLAS or done by the kernels
// of CellLinear.swift.

/// How a product is cut; a function of its shape alone.
private enum LinearTiles {
  /// Rows and columns of the output that one call computes, at most; half the rows where there would
  /// be few tiles otherwise.
  static let rows = 1024
  static let columns = 384
  /// Floats of a weight panel: stays in the last-level cache between expansion and product.
  static let panelFloats = 1 << 21
  /// Weight rows that one task expands.
  static func expandRows(columns: Int) -> Int { max(1, (1 << 15) / max(columns, 1)) }

  /// Weight rows of a panel.
  static func panelRows(columns: Int) -> Int {
    max(columns > 0 ? panelFloats / columns / Self.columns * Self.columns : 0, Self.columns)
  }

  /// Equal parts of `count`, none larger than `limit`.
  static func part(of count: Int, limit: Int) -> Int {
    let parts = max(1, (count + limit - 1) / limit)
    return max(1, ((count + parts - 1) / parts + 15) & ~15)
  }
}

extension CPUDevice {
  package func linearForward(
    _ y: Buffer, x: Buffer, weight: Matrix, rows: Int, accumulate: Bool, plus: LowRankTerm?
  ) {
    let (inputs, outputs) = (weight.columns, weight.rows)
    let (y, x) = (y.values(rows * outputs), x.values(rows * inputs))
    if usesCells(weight) {
      switch precision {
      case .float32:
        cellLinearForward(
          Float32Cell.self, y, x, weight, rows: rows, accumulate: accumulate, plus: plus)
      case .bfloat16:
        cellLinearForward(
          BFloat16Pair.self, y, x, weight, rows: rows, accumulate: accumulate, plus: plus)
      }
      return
    }
    forEachPanel(weight) { panel, w in
      tiles(rows, panel.count) { [blas] rows, columns in
        blas.product(
          m: rows.count, n: columns.count, k: inputs,
          .init(x + rows.lowerBound * inputs, stride: inputs),
          .init(w + columns.lowerBound * inputs, stride: inputs, transposed: true),
          beta: accumulate ? 1 : 0,
          y + rows.lowerBound * outputs + panel.lowerBound + columns.lowerBound, stride: outputs)
      }
    }
    if let plus { lowRankUp(y, plus, rows: rows, outputs: outputs) }
  }

  package func linearBackward(
    _ gradient: Buffer, dy: Buffer, weight: Matrix, rows: Int, accumulate: Bool, plus: LowRankTerm?
  ) {
    let (inputs, outputs) = (weight.columns, weight.rows)
    let (dx, dy) = (gradient.values(rows * inputs), dy.values(rows * outputs))
    if outputs == 0, !accumulate { dx.update(repeating: 0, count: rows * inputs) }
    if usesCells(weight) {
      switch precision {
      case .float32:
        cellLinearBackward(
          Float32Cell.self, dx, dy, weight, rows: rows, accumulate: accumulate, plus: plus)
      case .bfloat16:
        cellLinearBackward(
          BFloat16Pair.self, dx, dy, weight, rows: rows, accumulate: accumulate, plus: plus)
      }
      return
    }
    forEachPanel(weight) { panel, w in
      // Panels follow one another, so each value of dx gets its terms in the order of w's rows.
      tiles(rows, inputs) { [blas] rows, columns in
        blas.product(
          m: rows.count, n: columns.count, k: panel.count,
          .init(dy + rows.lowerBound * outputs + panel.lowerBound, stride: outputs),
          .init(w + columns.lowerBound, stride: inputs),
          beta: accumulate || panel.lowerBound > 0 ? 1 : 0,
          dx + rows.lowerBound * inputs + columns.lowerBound, stride: inputs)
      }
    }
    if let plus { lowRankInput(gradient, plus, rows: rows, inputs: inputs) }
  }

  /// Calls `body` with successive ranges of weight rows and the rows as float32.
  private func forEachPanel(
    _ weight: Matrix, _ body: (_ panel: Range<Int>, _ w: UnsafePointer<Float>) -> Void
  ) {
    guard weight.rows > 0 else { return }
    let source = source(weight)
    if let inPlace = source.inPlace {
      body(0..<weight.rows, inPlace)
      return
    }
    let columns = weight.columns
    let limit = LinearTiles.panelRows(columns: columns)
    let storage = sharedScratch(min(limit, weight.rows) * columns, for: .weights)
    for first in stride(from: 0, to: weight.rows, by: limit) {
      let panel = first..<min(weight.rows, first + limit)
      loop.chunks(of: panel.count, by: LinearTiles.expandRows(columns: columns)) { range in
        _ = source.rows(
          first + range.lowerBound..<first + range.upperBound,
          storage: storage + range.lowerBound * columns)
      }
      body(panel, UnsafePointer(storage))
    }
  }

  /// Calls `body` for each tile of a (rows, columns) output, in parallel.
  private func tiles(
    _ rows: Int, _ columns: Int, _ body: (_ rows: Range<Int>, _ columns: Range<Int>) -> Void
  ) {
    guard rows > 0, columns > 0 else { return }
    let width = LinearTiles.part(of: columns, limit: LinearTiles.columns)
    let fewTiles = rows * columns < 4 * LinearTiles.rows * LinearTiles.columns / 2
    let height = LinearTiles.part(
      of: rows, limit: fewTiles ? LinearTiles.rows / 2 : LinearTiles.rows)
    let down = (rows + height - 1) / height
    let across = (columns + width - 1) / width
    loop(down * across) { task, _ in
      let (row, column) = (task / across * height, task % across * width)
      body(row..<min(rows, row + height), column..<min(columns, column + width))
    }
  }
}
