// SPDX-License-Identifier: Apache-2.0

/// Σ_k B_k A_k, never multiplied out: its norm follows from the factors.
///
/// With P = [B_1 B_2 …] (out, K) and Q = [A_1; A_2; …] (K, in), K the sum of the ranks,
/// ‖PQ‖²_F = ⟨PᵀP, QQᵀ⟩. Costs K²(in + out) instead of K·in·out.
package struct ProductSum: Sendable {
  package let inputSize: Int
  package let outputSize: Int
  /// K rows of `outputSize`: P transposed.
  private var left: [Double] = []
  /// K rows of `inputSize`: Q.
  private var right: [Double] = []

  package init(inputSize: Int, outputSize: Int) {
    self.inputSize = inputSize
    self.outputSize = outputSize
  }

  /// Sum of the ranks.
  package var rank: Int { inputSize == 0 ? 0 : right.count / inputSize }

  /// Adds one product.
  ///
  /// - Parameters:
  ///   - loraB: (out, rank).
  ///   - loraA: (rank, in).
  package mutating func add(loraB: [Double], loraA: [Double], rank: Int) {
    precondition(loraB.count == outputSize * rank && loraA.count == rank * inputSize)
    for row in 0..<rank {
      for output in 0..<outputSize { left.append(loraB[output * rank + row]) }
    }
    right.append(contentsOf: loraA)
  }

  /// ‖Σ_k B_k A_k‖²_F; never below zero.
  package func squaredNorm() -> Double {
    let count = rank
    var sum = 0.0
    for row in 0..<count {
      // The Gram matrices are symmetric: each pair off the diagonal counts twice.
      for other in 0...row {
        let product =
          Self.dot(left, row, other, size: outputSize) * Self.dot(right, row, other, size: inputSize)
        sum += row == other ? product : 2 * product
      }
    }
    return max(0, sum)
  }

  /// Rows `row` and `other`; eight running sums in a fixed order.
  private static func dot(_ values: [Double], _ row: Int, _ other: Int, size: Int) -> Double {
    values.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return 0 }
      let (left, right) = (base + row * size, base + other * size)
      var sums = SIMD8<Double>(repeating: 0)
      var index = 0
      while index + 8 <= size {
        let a = UnsafeRawPointer(left + index).loadUnaligned(as: SIMD8<Double>.self)
        let b = UnsafeRawPointer(right + index).loadUnaligned(as: SIMD8<Double>.self)
        sums += a * b
        index += 8
      }
      var sum = sums.sum()
      while index < size {
        sum += left[index] * right[index]
        index += 1
      }
      return sum
    }
  }
}
