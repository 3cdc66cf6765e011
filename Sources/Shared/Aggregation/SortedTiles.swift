// SPDX-License-Identifier: Apache-2.0
import Compute
import Safetensors

/// Place by place over the clients' tensors: their values in rising order, then one number made of
/// them. All places of a tile go through the same network of compare-exchanges, so that the loops
/// run in vectors (Batcher's merge exchange, Knuth vol. 3, 5.2.2 M: any number of clients).
struct SortedTiles {
  private let count: Int
  private let exchanges: [(Int, Int)]
  private static let tile = 256

  init(count: Int) {
    self.count = count
    exchanges = Self.network(count)
  }

  private static func network(_ count: Int) -> [(Int, Int)] {
    var exchanges: [(Int, Int)] = []
    var top = 1
    while top * 2 < count { top *= 2 }
    var p = count > 1 ? top : 0
    while p > 0 {
      var (q, r, d) = (top, 0, p)
      while true {
        for index in 0..<max(0, count - d) where index & p == r {
          exchanges.append((index, index + d))
        }
        if q == p { break }
        (d, q, r) = (q - p, q / 2, p)
      }
      p /= 2
    }
    return exchanges
  }

  /// - Parameters:
  ///   - folds: a factor of each client's values.
  ///   - range: which of the sorted values are averaged, in float64 from the smallest on.
  func mean(
    _ views: [TensorView], _ folds: [Double], of range: Range<Int>, on loop: ParallelFor
  ) -> [Float] {
    reduced(views, folds, on: loop) { base, index in
      var sum = 0.0
      for row in range { sum += Double(base[row * Self.tile + index]) }
      return Float(sum / Double(range.count))
    }
  }

  /// The mean of the `keep` values nearest to the median; of two equally near the smaller.
  func meanNearMedian(
    _ views: [TensorView], _ folds: [Double], keep: Int, on loop: ParallelFor
  ) -> [Float] {
    reduced(views, folds, on: loop) { base, index in
      func value(_ row: Int) -> Double { Double(base[row * Self.tile + index]) }
      let median = (value((count - 1) / 2) + value(count / 2)) / 2
      // Sorted values: the nearest are neighbours, and the run moves up while that brings it nearer.
      var first = 0
      while first + keep < count, value(first + keep) - median < median - value(first) { first += 1 }
      var sum = 0.0
      for row in first..<first + keep { sum += value(row) }
      return Float(sum / Double(keep))
    }
  }

  /// - Parameter reduce: from the sorted rows of a tile and a place in it to the result there.
  @inline(__always)
  private func reduced(
    _ views: [TensorView], _ folds: [Double], on loop: ParallelFor,
    _ reduce: (UnsafeMutablePointer<Float>, Int) -> Float
  ) -> [Float] {
    let size = views.first?.elementCount ?? 0
    return [Float](unsafeUninitializedCapacity: size) { output, initialized in
      loop.chunks(of: size, by: Self.tile * 16) { part in
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count * Self.tile) { rows in
          for start in stride(from: part.lowerBound, to: part.upperBound, by: Self.tile) {
            let width = min(Self.tile, part.upperBound - start)
            for (row, view) in views.enumerated() {
              let target = UnsafeMutableBufferPointer(
                rebasing: rows[row * Self.tile..<row * Self.tile + width])
              view.copyFloats(from: start, into: target)
              if folds[row] != 1 {
                for index in 0..<width { target[index] = Float(folds[row] * Double(target[index])) }
              }
            }
            guard let base = rows.baseAddress else { continue }
            sort(base, width)
            for index in 0..<width { output[start + index] = reduce(base, index) }
          }
        }
      }
      initialized = size
    }
  }

  private func sort(_ rows: UnsafeMutablePointer<Float>, _ width: Int) {
    for (low, high) in exchanges {
      let (x, y) = (rows + low * Self.tile, rows + high * Self.tile)
      for index in 0..<width {
        let (a, b) = (x[index], y[index])
        x[index] = b < a ? b : a
        y[index] = b < a ? a : b
      }
    }
  }
}
