// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// FedAvg on the factors: Ā = Σ w_i A_i, B̄ = Σ w_i B_i (McMahan et al. 2017,
/// https://arxiv.org/abs/1602.05629; on LoRA factors: Zhang et al. 2024, FedIT,
/// https://arxiv.org/abs/2305.05644).
///
/// B̄Ā is not M: M − B̄Ā = Σ w_i (B_i − B̄)(A_i − Ā), the drift in the report. Nor is the result
/// independent of how each ΔW_i is factored, so all clients must start from the same adapter.
///
/// Scales: where every client has the same scale in every module, the factors are averaged as they
/// are, and rank, alpha and rsLoRA stay those of the clients. Otherwise √s_i is folded into both
/// factors of each client first, and the result has scale 1 (alpha = rank).
///
/// DoRA's magnitudes are averaged like the factors; the drift is that of the factors alone.
struct FederatedAveraging: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "fedavg", "weighted mean of A and of B, apart",
    source: "McMahan et al. 2017, https://arxiv.org/abs/1602.05629",
    traits: [
      .equalRanks, .commonParent, .spreadsNonFinite, .factorwise, .linear, .meanOfFactors,
      .averagesMagnitudes,
    ],
    make: { _ in FederatedAveraging() })

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    RuleResult(
      FactorFold(round).adapter(round) { views, folds in
        WeightedSum.of(views, zip(round.weights, folds).map { $0 * $1 }, on: loop)
      })
  }

  /// M − B̄Ā = Σ w_i (B_i − B̄)(A_i − Ā), for `result` = (B̄, Ā) of ``aggregate(_:on:)``.
  static func covariance(
    _ round: AggregationRound, module: Int, result: Adapter
  ) -> ProductSum {
    let mean = result.modules[module]
    let folds = FactorFold(round).factors(round, module: module)
    let scale = result.scale(of: mean)
    var sum = ProductSum(inputSize: mean.inputSize, outputSize: mean.outputSize)
    for (index, client) in round.clients.enumerated() {
      let (weight, fold) = (round.weights[index], folds[index])
      let views = client.file.modules[module]
      let loraA = ClientFactors.values(views.loraA)
      let loraB = ClientFactors.values(views.loraB)
      sum.add(
        loraB: zip(loraB, mean.loraB).map { weight * scale * (fold * $0 - Double($1)) },
        loraA: zip(loraA, mean.loraA).map { fold * $0 - Double($1) }, rank: mean.rank)
    }
    return sum
  }
}
