// SPDX-License-Identifier: Apache-2.0

/// Σ x² of x (N) in float64, in eight running sums that are added at the end.
func sumOfSquaresKernel(_ x: UnsafePointer<Float>, N: Int) -> Double {
  var sums = SIMD8<Double>.zero
  var i = 0
  while i &+ 8 <= N {
    let lanes = SIMD8<Double>(UnsafeRawPointer(x + i).loadUnaligned(as: SIMD8<Float>.self))
    sums += lanes * lanes
    i = i &+ 8
  }
  var sum = sums.sum()
  while i < N {
    sum += Double(x[i]) * Double(x[i])
    i = i &+ 1
  }
  return sum
}

extension CPUDevice {
  package func sumOfSquares(_ x: Buffer) -> Double {
    let (start, count) = (x.pointer, x.count)
    let tasks = (count + elementChunk - 1) / elementChunk
    var sums = [Double](repeating: 0, count: tasks)
    sums.withUnsafeMutableBufferPointer { sums in
      loop.chunks(of: count, by: elementChunk) { range in
        sums[range.lowerBound / elementChunk] = sumOfSquaresKernel(
          start + range.lowerBound, N: range.count)
      }
    }
    return sums.reduce(0, +)  // in the order of the chunks
  }
}
