// SPDX-License-Identifier: Apache-2.0

/// Rotates the first `2 · half` of each head of x (N, H·D) in place by the angles of `cosines` and
/// `sines` (N, half), backwards with `inverse`. Su et al. 2021, https://arxiv.org/abs/2104.09864,
/// in the layout that pairs value i with value i + half.
func rotationKernel(
  x: UnsafeMutablePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>,
  half: Int, inverse: Bool, N: Int, H: Int, D: Int
) {
  let sign: Float = inverse ? -1 : 1
  for n in 0..<N {
    let (cosine, sine) = (cosines + n &* half, sines + n &* half)
    for h in 0..<H {
      let first = x + (n &* H &+ h) &* D
      let second = first + half
      var i = 0
      while i &+ laneCount <= half {
        let (x1, x2) = (first.lanes(at: i), second.lanes(at: i))
        let (c, s) = (cosine.lanes(at: i), sine.lanes(at: i) * sign)
        first.store(x1 * c - x2 * s, at: i)
        second.store(x2 * c + x1 * s, at: i)
        i = i &+ laneCount
      }
      while i < half {
        let (x1, x2) = (first[i], second[i])
        let (c, s) = (cosine[i], sine[i] * sign)
        first[i] = x1 * c - x2 * s
        second[i] = x2 * c + x1 * s
        i = i &+ 1
      }
    }
  }
}

extension CPUDevice {
  package func rotate(
    _ x: Buffer, cosines: Buffer, sines: Buffer, rows: Int, heads: Int, headSize: Int, half: Int,
    inverse: Bool
  ) {
    precondition(2 * half <= headSize, "rotation is wider than the head")
    let width = heads * headSize
    let x = x.values(rows * width)
    let (cosines, sines) = (cosines.values(rows * half), sines.values(rows * half))
    loop.chunks(of: rows, by: rowChunk(width: width)) { range in
      let start = range.lowerBound
      rotationKernel(
        x: x + start * width, cosines: cosines + start * half, sines: sines + start * half,
        half: half, inverse: inverse, N: range.count, H: heads, D: headSize)
    }
  }
}
