// SPDX-License-Identifier: Apache-2.0

// Additions and moves: loops that memory bounds, which the compiler turns into vectors by itself.

/// y (N) += x (N).
func addKernel(_ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, N: Int) {
  for i in 0..<N { y[i] += x[i] }
}

/// x (N) *= factor.
func scaleKernel(_ x: UnsafeMutablePointer<Float>, factor: Float, N: Int) {
  for i in 0..<N { x[i] *= factor }
}

extension CPUDevice {
  package func add(_ y: Buffer, _ x: Buffer) {
    precondition(x.count == y.count, "counts differ")
    let (y, x, count) = (y.pointer, x.pointer, y.count)
    loop.chunks(of: count, by: elementChunk) { range in
      addKernel(y + range.lowerBound, x + range.lowerBound, N: range.count)
    }
  }

  package func scale(_ x: Buffer, by factor: Float) {
    let start = x.pointer
    loop.chunks(of: x.count, by: elementChunk) { range in
      scaleKernel(start + range.lowerBound, factor: factor, N: range.count)
    }
  }

  package func addBias(_ y: Buffer, bias: Buffer, rows: Int, columns: Int) {
    let (y, bias) = (y.values(rows * columns), bias.values(columns))
    loop.chunks(of: rows, by: rowChunk(width: columns)) { range in
      for row in range { addKernel(y + row &* columns, bias, N: columns) }
    }
  }

  package func gatherRows(_ out: Buffer, x: Buffer, rows: [Int32], columns: Int) {
    let out = out.values(rows.count * columns)
    let x = x.values((Int(rows.max() ?? -1) + 1) * columns)
    rows.withUnsafeBufferPointer { rows in
      loop.chunks(of: rows.count, by: rowChunk(width: columns)) { range in
        for m in range {
          (out + m &* columns).update(from: x + Int(rows[m]) &* columns, count: columns)
        }
      }
    }
  }

  package func scatterAddRows(_ x: Buffer, values: Buffer, rows: [Int32], columns: Int) {
    let values = values.values(rows.count * columns)
    let x = x.values((Int(rows.max() ?? -1) + 1) * columns)
    rows.withUnsafeBufferPointer { rows in
      loop.chunks(of: rows.count, by: rowChunk(width: columns)) { range in
        for m in range {
          addKernel(x + Int(rows[m]) &* columns, values + m &* columns, N: columns)
        }
      }
    }
  }
}
