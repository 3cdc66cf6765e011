// SPDX-License-Identifier: Apache-2.0

// Weight decomposition (DoRA: Liu et al. 2024, https://arxiv.org/abs/2402.09353). The norms belong to
// the factors, not to the tokens: they are computed once an update.

private enum DecompositionTiles {
  /// Weight rows that one task expands and measures.
  static let rows = 64
  /// Columns that one task sums over all rows.
  static let columns = 64
}

/// y (N) = x (N) · factors (N), or += with `adds`.
private func productKernel(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ factors: UnsafePointer<Float>,
  adds: Bool, N: Int
) {
  if adds {
    for i in 0..<N { y[i] += x[i] * factors[i] }
  } else {
    for i in 0..<N { y[i] = x[i] * factors[i] }
  }
}

extension CPUDevice {
  package func decompose(
    gain: Buffer, norms: Buffer, magnitude: Buffer, weight: Matrix, a: Buffer, b: Buffer,
    rank: Int, scale: Float
  ) {
    let (outputs, inputs) = (weight.rows, weight.columns)
    let (gain, norms) = (gain.values(outputs), norms.values(outputs))
    let magnitude = magnitude.values(outputs)
    let (a, b) = (a.values(rank * inputs), b.values(outputs * rank))
    let source = source(weight)
    let scratch = workerScratch(2 * DecompositionTiles.rows * inputs)
    loop((outputs + DecompositionTiles.rows - 1) / DecompositionTiles.rows) { [blas] task, worker in
      let first = task * DecompositionTiles.rows
      let range = first..<min(outputs, first + DecompositionTiles.rows)
      let sum = scratch[worker]
      let rows = source.rows(range, storage: sum + DecompositionTiles.rows * inputs)
      sum.update(from: rows, count: range.count * inputs)
      blas.product(
        m: range.count, n: inputs, k: rank, alpha: scale,
        .init(b + range.lowerBound * rank, stride: rank), .init(a, stride: inputs), beta: 1, sum,
        stride: inputs)
      for o in range {
        let norm = sumOfSquaresKernel(sum + (o - range.lowerBound) * inputs, N: inputs)
          .squareRoot()
        norms[o] = Float(norm)
        gain[o] = norms[o] > 0 ? magnitude[o] / norms[o] : 0
      }
    }
  }

  package func scaleColumns(
    _ y: Buffer, x: Buffer, by factors: Buffer, rows: Int, columns: Int, accumulate: Bool
  ) {
    let (y, x) = (y.values(rows * columns), x.values(rows * columns))
    let factors = factors.values(columns)
    loop.chunks(of: rows, by: rowChunk(width: columns)) { range in
      for row in range {
        productKernel(
          y + row &* columns, x + row &* columns, factors, adds: accumulate, N: columns)
      }
    }
  }

  package func magnitudeBackward(
    _ dMagnitude: Buffer, dy: Buffer, z: Buffer, norms: Buffer, rows: Int, columns: Int
  ) {
    let (dy, z) = (dy.values(rows * columns), z.values(rows * columns))
    let (dMagnitude, norms) = (dMagnitude.values(columns), norms.values(columns))
    loop.chunks(of: columns, by: DecompositionTiles.columns) { range in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count) { sums in
        guard let sums = sums.baseAddress else { return }
        sums.initialize(repeating: 0, count: range.count)
        for n in 0..<rows {
          let start = n &* columns &+ range.lowerBound
          productKernel(sums, dy + start, z + start, adds: true, N: range.count)
        }
        for c in range where norms[c] > 0 {
          dMagnitude[c] += sums[c - range.lowerBound] / norms[c]
        }
      }
    }
  }
}
