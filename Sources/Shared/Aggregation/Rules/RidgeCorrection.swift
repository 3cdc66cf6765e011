// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// LoRA-FAIR: the mean of A, and the mean of B with a correction that brings the product nearer to M
/// (Bian et al. 2024, https://arxiv.org/abs/2411.14961): ΔB = argmin ‖M − (B̄ + ΔB)Ā‖² + λ‖ΔB‖².
///
/// The paper minimises a similarity by gradient steps; this is the ridge solution in closed form,
/// ΔB = (M − B̄Ā)Āᵀ(ĀĀᵀ + λI)⁻¹, from the factors alone. λ is `--ridge`, 0.01 by default, times the mean
/// of the squared lengths of Ā's rows where those are below 1, so that it does not drown small factors.
struct RidgeCorrection: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "fair", "fedavg with B corrected towards the updates' mean, by ridge regression on mean A",
    source: "Bian et al. 2024 (LoRA-FAIR), https://arxiv.org/abs/2411.14961",
    traits: [.equalRanks, .commonParent, .factorwise], options: [.ridge],
    make: { RidgeCorrection(ridge: $0.ridge ?? 0.01) })

  let ridge: Double

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    let mean = try FederatedAveraging().aggregate(round, on: loop).adapter
    var result = mean
    let corrected = loop.map(mean.modules.count) { index in
      correctedB(round, index, mean)
    }
    for (index, loraB) in corrected.enumerated() {
      result.setFactors(index, loraA: mean.modules[index].loraA, loraB: loraB)
    }
    return RuleResult(result)
  }

  private func correctedB(_ round: AggregationRound, _ index: Int, _ mean: Adapter) -> [Float] {
    let module = mean.modules[index]
    let scale = mean.scale(of: module)
    let (rank, inputs) = (module.rank, module.inputSize)
    var rows = RowMatrix(rows: rank, columns: inputs)
    rows.values = module.loraA.map(Double.init)
    // (M − B̄Ā) of each row of Ā: (rank, out).
    let residual = FederatedAveraging.covariance(round, module: index, result: mean)
    let images = residual.applied(to: rows)
    var gram = RowGram.lowerTriangle(rows.values, rows: rank, size: inputs)
    let lengths = (0..<rank).map { gram[$0, $0] }
    let level = min(1, lengths.reduce(0, +) / Double(rank))
    for row in 0..<rank {
      gram[row, row] += ridge * level
      for column in row + 1..<max(rank, row + 1) { gram[row, column] = gram[column, row] }
    }
    guard let factor = Self.cholesky(gram) else { return module.loraB }
    var loraB = module.loraB
    for output in 0..<module.outputSize {
      let correction = Self.solve(factor, (0..<rank).map { images[$0, output] / scale })
      for column in 0..<rank {
        let place = output * rank + column
        loraB[place] = Float(Double(module.loraB[place]) + correction[column])
      }
    }
    return loraB
  }

  /// L of G = L Lᵀ; nil where G is not positive definite.
  private static func cholesky(_ gram: RowMatrix) -> RowMatrix? {
    var factor = RowMatrix(rows: gram.rows, columns: gram.rows)
    for row in 0..<gram.rows {
      for column in 0...row {
        var value = gram[row, column]
        for k in 0..<column { value -= factor[row, k] * factor[column, k] }
        if row == column {
          guard value > 0 else { return nil }
          factor[row, row] = value.squareRoot()
        } else {
          factor[row, column] = value / factor[column, column]
        }
      }
    }
    return factor
  }

  private static func solve(_ factor: RowMatrix, _ right: [Double]) -> [Double] {
    var x = right
    for row in x.indices {
      for k in 0..<row { x[row] -= factor[row, k] * x[k] }
      x[row] /= factor[row, row]
    }
    for row in x.indices.reversed() {
      for k in row + 1..<max(x.count, row + 1) { x[row] -= factor[k, row] * x[k] }
      x[row] /= factor[row, row]
    }
    return x
  }
}
