// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// Inner products of whole updates, G_ij = Σ over modules ⟨ΔW_i, ΔW_j⟩, from the factors alone:
/// ⟨s_i B_i A_i, s_j B_j A_j⟩ = s_i s_j ⟨B_iᵀB_j, A_iA_jᵀ⟩. Refactoring a ΔW changes nothing; ranks may
/// differ.
struct ClientGram {
  let count: Int
  /// (count, count).
  private let values: [Double]

  init(_ files: [AdapterFile], on loop: ParallelFor) {
    count = files.count
    let ones = [Double](repeating: 1, count: files.count)
    let parts = loop.map(files[0].modules.count) { index in
      ClientFactors.sum(files, ones, module: index).innerProducts(
        ranks: files.map { $0.modules[index].rank })
    }
    var sum = [Double](repeating: 0, count: count * count)
    for part in parts {
      for index in sum.indices { sum[index] += part[index] }
    }
    values = sum
  }

  subscript(row: Int, column: Int) -> Double { values[row * count + column] }

  /// ‖ΔW_i − ΔW_j‖².
  func squaredDistance(_ i: Int, _ j: Int) -> Double {
    max(0, self[i, i] + self[j, j] - 2 * self[i, j])
  }

  /// ‖ΔW_i − Σ_j c_j ΔW_j‖ for every i.
  func distances(to coefficients: [Double]) -> [Double] {
    let products = (0..<count).map { row in
      (0..<count).reduce(0) { $0 + self[row, $1] * coefficients[$1] }
    }
    let norm = zip(coefficients, products).reduce(0) { $0 + $1.0 * $1.1 }
    return (0..<count).map { max(0, norm - 2 * products[$0] + self[$0, $0]).squareRoot() }
  }
}

/// The middle of some numbers, the mean of the two middle ones of an even number.
func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  let middle = sorted.count / 2
  if sorted.isEmpty { return 0 }
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
