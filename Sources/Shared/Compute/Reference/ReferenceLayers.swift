// SPDX-License-Identifier: Apache-2.0

// Embedding, norm, rotation and linear maps of the reference device.

extension ReferenceDevice {
  package func embed(_ y: Buffer, tokens: [Int32], table: Matrix, scale: Float) {
    let y = y.values(tokens.count * table.columns)
    for (n, token) in tokens.enumerated() {
      let row = row(Int(token), of: table)
      for c in 0..<table.columns { y[n * table.columns + c] = scale * row[c] }
    }
  }

  package func rmsNormForward(
    _ y: Buffer, inverseRMS: Buffer, x: Buffer, gain: Buffer, rows: Int, channels: Int,
    epsilon: Float
  ) {
    let (y, x) = (y.values(rows * channels), x.values(rows * channels))
    let (inverseRMS, gain) = (inverseRMS.values(rows), gain.values(channels))
    for n in 0..<rows {
      var sum = 0.0
      for c in 0..<channels { sum += Double(x[n * channels + c]) * Double(x[n * channels + c]) }
      let s = 1 / (sum / Double(channels) + Double(epsilon)).squareRoot()
      inverseRMS[n] = Float(s)
      for c in 0..<channels {
        y[n * channels + c] = Float(Double(x[n * channels + c]) * Double(gain[c]) * s)
      }
    }
  }

  package func rmsNormBackward(
    _ dx: Buffer, dy: Buffer, x: Buffer, gain: Buffer, inverseRMS: Buffer, rows: Int,
    channels: Int, accumulate: Bool
  ) {
    let (dx, dy) = (dx.values(rows * channels), dy.values(rows * channels))
    let (x, gain) = (x.values(rows * channels), gain.values(channels))
    let inverseRMS = inverseRMS.values(rows)
    for n in 0..<rows {
      let row = n * channels
      let s = Double(inverseRMS[n])
      var dot = 0.0  // Σ dy·gain·x: ds/dx[c] = -s³·x[c]/C makes it common to the row
      for c in 0..<channels {
        dot += Double(dy[row + c]) * Double(gain[c]) * Double(x[row + c])
      }
      let shared = s * s * s * dot / Double(channels)
      for c in 0..<channels {
        let value = s * Double(gain[c]) * Double(dy[row + c]) - shared * Double(x[row + c])
        dx[row + c] = Float((accumulate ? Double(dx[row + c]) : 0) + value)
      }
    }
  }

  package func rotate(
    _ x: Buffer, cosines: Buffer, sines: Buffer, rows: Int, heads: Int, headSize: Int, half: Int,
    inverse: Bool
  ) {
    let x = x.values(rows * heads * headSize)
    let (cosines, sines) = (cosines.values(rows * half), sines.values(rows * half))
    for n in 0..<rows {
      for h in 0..<heads {
        for i in 0..<half {
          let first = (n * heads + h) * headSize + i
          let (x1, x2) = (Double(x[first]), Double(x[first + half]))
          let cosine = Double(cosines[n * half + i])
          let sine = Double(sines[n * half + i]) * (inverse ? -1 : 1)
          x[first] = Float(x1 * cosine - x2 * sine)
          x[first + half] = Float(x2 * cosine + x1 * sine)
        }
      }
    }
  }

  package func linearForward(
    _ y: Buffer, x: Buffer, weight: Matrix, rows: Int, accumulate: Bool, plus: LowRankTerm?
  ) {
    let (inputs, outputs) = (weight.columns, weight.rows)
    let (y, x) = (y.values(rows * outputs), x.values(rows * inputs))
    let term = plus.map { ($0, h: $0.hidden.values(rows * $0.stride), b: $0.factor.values(outputs * $0.rank)) }
    for o in 0..<outputs {
      let w = row(o, of: weight)
      for n in 0..<rows {
        var sum = accumulate ? Double(y[n * outputs + o]) : 0
        for i in 0..<inputs { sum += Double(x[n * inputs + i]) * Double(w[i]) }
        if let (term, h, b) = term {
          for r in 0..<term.rank {
            sum +=
              Double(term.scale) * Double(h[n * term.stride + term.offset + r])
              * Double(b[o * term.rank + r])
          }
        }
        y[n * outputs + o] = Float(sum)
      }
    }
  }

  package func linearBackward(
    _ dx: Buffer, dy: Buffer, weight: Matrix, rows: Int, accumulate: Bool, plus: LowRankTerm?
  ) {
    let (inputs, outputs) = (weight.columns, weight.rows)
    let (dx, dy) = (dx.values(rows * inputs), dy.values(rows * outputs))
    var sums = (0..<rows * inputs).map { accumulate ? Double(dx[$0]) : 0 }
    for o in 0..<outputs {
      let w = row(o, of: weight)
      for n in 0..<rows {
        for i in 0..<inputs { sums[n * inputs + i] += Double(dy[n * outputs + o]) * Double(w[i]) }
      }
    }
    if let term = plus {
      let h = term.hidden.values(rows * term.stride)
      let a = term.factor.values(term.rank * inputs)
      for n in 0..<rows {
        for r in 0..<term.rank {
          let factor = Double(term.scale) * Double(h[n * term.stride + term.offset + r])
          for i in 0..<inputs { sums[n * inputs + i] += factor * Double(a[r * inputs + i]) }
        }
      }
    }
    for (index, sum) in sums.enumerated() { dx[index] = Float(sum) }
  }

  package func addBias(_ y: Buffer, bias: Buffer, rows: Int, columns: Int) {
    let (y, bias) = (y.values(rows * columns), bias.values(columns))
    for n in 0..<rows {
      for c in 0..<columns { y[n * columns + c] += bias[c] }
    }
  }

  package func lowRankDown(
    _ hidden: Buffer, x: Buffer, a: Buffer, rows: Int, inputs: Int, rank: Int
  ) {
    let (hidden, x) = (hidden.values(rows * rank), x.values(rows * inputs))
    let a = a.values(rank * inputs)
    for n in 0..<rows {
      for r in 0..<rank {
        var sum = 0.0
        for i in 0..<inputs { sum += Double(x[n * inputs + i]) * Double(a[r * inputs + i]) }
        hidden[n * rank + r] = Float(sum)
      }
    }
  }

  package func lowRankUpBackward(
    dHidden: Buffer, dB: Buffer?, dy: Buffer, hidden: Buffer, b: Buffer, rows: Int, outputs: Int,
    rank: Int, offset: Int, stride: Int, scale: Float, accumulate: Bool
  ) {
    let (dHidden, dy) = (dHidden.values(rows * stride), dy.values(rows * outputs))
    let (hidden, b) = (hidden.values(rows * stride), b.values(outputs * rank))
    for n in 0..<rows {
      for r in 0..<rank {
        var sum = 0.0
        for o in 0..<outputs { sum += Double(dy[n * outputs + o]) * Double(b[o * rank + r]) }
        let before = accumulate ? Double(dHidden[n * stride + offset + r]) : 0
        dHidden[n * stride + offset + r] = Float(before + Double(scale) * sum)
      }
    }
    guard let dB = dB?.values(outputs * rank) else { return }
    for o in 0..<outputs {
      for r in 0..<rank {
        var sum = 0.0
        for n in 0..<rows {
          sum += Double(dy[n * outputs + o]) * Double(hidden[n * stride + offset + r])
        }
        dB[o * rank + r] = Float(Double(dB[o * rank + r]) + Double(scale) * sum)
      }
    }
  }

  package func lowRankDownBackward(
    dA: Buffer, dHidden: Buffer, x: Buffer, rows: Int, inputs: Int, rank: Int
  ) {
    let (dHidden, x) = (dHidden.values(rows * rank), x.values(rows * inputs))
    let dA = dA.values(rank * inputs)
    for r in 0..<rank {
      for i in 0..<inputs {
        var sum = Double(dA[r * inputs + i])
        for n in 0..<rows { sum += Double(dHidden[n * rank + r]) * Double(x[n * inputs + i]) }
        dA[r * inputs + i] = Float(sum)
      }
    }
  }

  package func lowRankInput(_ dx: Buffer, _ term: LowRankTerm, rows: Int, inputs: Int) {
    let (dx, h) = (dx.values(rows * inputs), term.hidden.values(rows * term.stride))
    let a = term.factor.values(term.rank * inputs)
    for n in 0..<rows {
      for i in 0..<inputs {
        var sum = 0.0
        for r in 0..<term.rank {
          sum += Double(h[n * term.stride + term.offset + r]) * Double(a[r * inputs + i])
        }
        dx[n * inputs + i] = Float(Double(dx[n * inputs + i]) + Double(term.scale) * sum)
      }
    }
  }
}
