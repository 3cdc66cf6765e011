// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// FedAvg, and what it leaves out as an adapter beside it: B̄Ā + R = M with R = Σ w_i (B_i − B̄)(A_i − Ā)
/// of rank at most (N − 1)r (Singhal et al. 2024, FedEx-LoRA, https://arxiv.org/abs/2410.09432, where R
/// is added to the base model; here the base stays as it is). `--rank` and `--energy` cut R.
struct FederatedExact: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "fedex", "fedavg, and what it leaves out written to --residual",
    source: "Singhal et al. 2024 (FedEx-LoRA), https://arxiv.org/abs/2410.09432",
    traits: [.equalRanks, .commonParent, .factorwise, .meanOfFactors], options: [.rank, .energy, .residual],
    make: { FederatedExact(choice: RankChoice(rank: $0.rank, energy: $0.energy)) })

  let choice: RankChoice
  /// Singular values of R below this part of ‖M‖ are rounding of the float32 mean.
  private static let rounding = 1e-6

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    let mean = try FederatedAveraging().aggregate(round, on: loop).adapter
    let cut = loop.map(round.modules.count) { index in
      let residual = FederatedAveraging.covariance(round, module: index, result: mean)
      let norm = ClientFactors.exactMean(round, module: index).squaredNorm().squareRoot()
      let factors = residual.lowRank(choice, floor: norm * Self.rounding)
      return (
        ScaleOne.module(
          like: round.modules[index], rank: factors.rank, loraA: factors.loraA.map { Float($0) },
          loraB: factors.loraB.map { Float($0) }),
        factors.truncationError
      )
    }
    return RuleResult(
      mean, residual: ScaleOne.adapter(cut.map(\.0), like: mean.config),
      truncation: cut.map(\.1))
  }
}
