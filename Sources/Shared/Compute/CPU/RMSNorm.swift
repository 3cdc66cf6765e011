// SPDX-License-Identifier: Apache-2.0

/// y (N, C) = x · gain · s with s = (mean(x²) + ε)^(-1/2), kept in `inverseRMS` (N).
///
/// Zhang & Sennrich 2019, eq. 4, https://arxiv.org/abs/1910.07467.
func rmsNormForward(
  y: UnsafeMutablePointer<Float>, inverseRMS: UnsafeMutablePointer<Float>,
  x: UnsafePointer<Float>, gain: UnsafePointer<Float>, epsilon: Float, N: Int, C: Int
) {
  for n in 0..<N {
    let (yRow, xRow) = (y + n &* C, x + n &* C)
    let mean = sumOfProducts(xRow, xRow, count: C) / Float(C)
    let s = 1 / (mean + epsilon).squareRoot()
    inverseRMS[n] = s
    for c in 0..<C { yRow[c] = xRow[c] * s * gain[c] }
  }
}

/// dx (N, C) = or += the gradient of ``rmsNormForward`` with respect to x; the gain is frozen.
///
/// ds/dx[c] = -s³·x[c]/C, so dx[c] = s·gain[c]·dy[c] - s³/C · x[c] · Σ dy·gain·x.
func rmsNormBackward(
  dx: UnsafeMutablePointer<Float>, dy: UnsafePointer<Float>, x: UnsafePointer<Float>,
  gain: UnsafePointer<Float>, inverseRMS: UnsafePointer<Float>, accumulate: Bool, N: Int, C: Int
) {
  for n in 0..<N {
    let (dxRow, dyRow, xRow) = (dx + n &* C, dy + n &* C, x + n &* C)
    let s = inverseRMS[n]
    let shared = s * s * s * sumOfProducts(dyRow, gain, xRow, count: C) / Float(C)
    if accumulate {
      for c in 0..<C { dxRow[c] += s * gain[c] * dyRow[c] - shared * xRow[c] }
    } else {
      for c in 0..<C { dxRow[c] = s * gain[c] * dyRow[c] - shared * xRow[c] }
    }
  }
}

extension CPUDevice {
  package func rmsNormForward(
    _ y: Buffer, inverseRMS: Buffer, x: Buffer, gain: Buffer, rows: Int, channels: Int,
    epsilon: Float
  ) {
    let (y, x) = (y.values(rows * channels), x.values(rows * channels))
    let (inverseRMS, gain) = (inverseRMS.values(rows), gain.values(channels))
    loop.chunks(of: rows, by: rowChunk(width: channels)) { range in
      let start = range.lowerBound
      Compute.rmsNormForward(
        y: y + start * channels, inverseRMS: inverseRMS + start, x: x + start * channels,
        gain: gain, epsilon: epsilon, N: range.count, C: channels)
    }
  }

  package func rmsNormBackward(
    _ dx: Buffer, dy: Buffer, x: Buffer, gain: Buffer, inverseRMS: Buffer, rows: Int,
    channels: Int, accumulate: Bool
  ) {
    let (dx, dy) = (dx.values(rows * channels), dy.values(rows * channels))
    let (x, gain) = (x.values(rows * channels), gain.values(channels))
    let inverseRMS = inverseRMS.values(rows)
    loop.chunks(of: rows, by: rowChunk(width: channels)) { range in
      let start = range.lowerBound
      Compute.rmsNormBackward(
        dx: dx + start * channels, dy: dy + start * channels, x: x + start * channels, gain: gain,
        inverseRMS: inverseRMS + start, accumulate: accumulate, N: range.count, C: channels)
    }
  }
}
