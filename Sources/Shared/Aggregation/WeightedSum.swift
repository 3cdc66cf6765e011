// SPDX-License-Identifier: Apache-2.0
import Compute
import Safetensors

/// Σ c_i x_i over tensors of equal size, read where they lie.
///
/// The output is cut into tiles of a fixed size, each summed in float64, client after client, and
/// rounded once to float32: no thread count changes a bit. For n equal x_i and Σ c_i = 1 the sum
/// differs from x by less than n·2⁻⁵³ of it, far from the next float32: copies come back bit for bit.
enum WeightedSum {
  /// Values that a thread takes at a time, and those that are summed in the nearest cache.
  private static let task = 16384
  private static let tile = 2048
  /// Clients that are added in one pass over a tile.
  private static let width = 4

  static func of(
    _ views: [TensorView], _ coefficients: [Double], on loop: ParallelFor
  ) -> [Float] {
    let count = views.first?.elementCount ?? 0
    // Copies of a view count references, which all threads would do for each tile.
    let floats = views.map { $0.dtype == .float32 ? $0.bytes.baseAddress : nil }
    return [Float](unsafeUninitializedCapacity: count) { output, initialized in
      loop.chunks(of: count, by: task) { range in
        withUnsafeTemporaryAllocation(of: Double.self, capacity: tile) { sums in
          for start in stride(from: range.lowerBound, to: range.upperBound, by: tile) {
            let size = min(tile, range.upperBound - start)
            add(views, floats, coefficients, from: start, count: size, to: sums)
            guard let target = output.baseAddress, let source = sums.baseAddress else { return }
            for index in 0..<size { target[start &+ index] = Float(source[index]) }
          }
        }
      }
      initialized = count
    }
  }

  private static func add(
    _ views: [TensorView], _ floats: [UnsafeRawPointer?], _ coefficients: [Double], from start: Int, count: Int,
    to sums: UnsafeMutableBufferPointer<Double>
  ) {
    guard let target = sums.baseAddress else { return }
    for index in 0..<count { target[index] = 0 }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: width * tile) { scratch in
      for first in stride(from: 0, to: views.count, by: width) {
        let group = min(width, views.count - first)
        func source(_ lane: Int) -> UnsafeRawPointer? {
          if let values = floats[first + lane] { return values + start * 4 }
          let part = UnsafeMutableBufferPointer(
            rebasing: scratch[lane * tile..<lane * tile + count])
          views[first + lane].copyFloats(from: start, into: part)
          return UnsafeRawPointer(part.baseAddress)
        }
        if group == width, let a = source(0), let b = source(1), let c = source(2),
          let d = source(3)
        {
          addFour((a, b, c, d), coefficients, first, count, to: target)
        } else {
          for lane in 0..<group {
            if let x = source(lane) { addOne(x, coefficients[first + lane], count, to: target) }
          }
        }
      }
    }
  }

  private static func addOne(
    _ x: UnsafeRawPointer, _ factor: Double, _ count: Int, to sums: UnsafeMutablePointer<Double>
  ) {
    for index in 0..<count {
      sums[index] +=
        factor * Double(x.loadUnaligned(fromByteOffset: index &* 4, as: Float.self))
    }
  }

  private static func addFour(
    _ x: (UnsafeRawPointer, UnsafeRawPointer, UnsafeRawPointer, UnsafeRawPointer),
    _ factors: [Double], _ first: Int, _ count: Int, to sums: UnsafeMutablePointer<Double>
  ) {
    let (a, b, c, d) = x
    let (fa, fb) = (factors[first], factors[first + 1])
    let (fc, fd) = (factors[first + 2], factors[first + 3])
    for index in 0..<count {
      let at = index &* 4
      var sum = sums[index]
      sum += fa * Double(a.loadUnaligned(fromByteOffset: at, as: Float.self))
      sum += fb * Double(b.loadUnaligned(fromByteOffset: at, as: Float.self))
      sum += fc * Double(c.loadUnaligned(fromByteOffset: at, as: Float.self))
      sum += fd * Double(d.loadUnaligned(fromByteOffset: at, as: Float.self))
      sums[index] = sum
    }
  }
}
