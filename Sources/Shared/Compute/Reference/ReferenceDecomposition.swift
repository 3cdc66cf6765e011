// SPDX-License-Identifier: Apache-2.0

// Weight decomposition (DoRA) of the reference device.

extension ReferenceDevice {
  package func decompose(
    gain: Buffer, norms: Buffer, magnitude: Buffer, weight: Matrix, a: Buffer, b: Buffer,
    rank: Int, scale: Float
  ) {
    let (outputs, inputs) = (weight.rows, weight.columns)
    let (gain, norms) = (gain.values(outputs), norms.values(outputs))
    let magnitude = magnitude.values(outputs)
    let (a, b) = (a.values(rank * inputs), b.values(outputs * rank))
    for o in 0..<outputs {
      let w = row(o, of: weight)
      var sum = 0.0
      for i in 0..<inputs {
        var update = 0.0
        for r in 0..<rank { update += Double(b[o * rank + r]) * Double(a[r * inputs + i]) }
        let value = Double(w[i]) + Double(scale) * update
        sum += value * value
      }
      norms[o] = Float(sum.squareRoot())
      gain[o] = norms[o] > 0 ? magnitude[o] / norms[o] : 0
    }
  }

  package func scaleColumns(
    _ y: Buffer, x: Buffer, by factors: Buffer, rows: Int, columns: Int, accumulate: Bool
  ) {
    let (y, x) = (y.values(rows * columns), x.values(rows * columns))
    let factors = factors.values(columns)
    for n in 0..<rows {
      for c in 0..<columns {
        let value = Double(x[n * columns + c]) * Double(factors[c])
        y[n * columns + c] = Float((accumulate ? Double(y[n * columns + c]) : 0) + value)
      }
    }
  }

  package func magnitudeBackward(
    _ dMagnitude: Buffer, dy: Buffer, z: Buffer, norms: Buffer, rows: Int, columns: Int
  ) {
    let (dy, z) = (dy.values(rows * columns), z.values(rows * columns))
    let (dMagnitude, norms) = (dMagnitude.values(columns), norms.values(columns))
    for c in 0..<columns where norms[c] > 0 {
      var sum = 0.0
      for n in 0..<rows { sum += Double(dy[n * columns + c]) * Double(z[n * columns + c]) }
      dMagnitude[c] += Float(sum / Double(norms[c]))
    }
  }
}
