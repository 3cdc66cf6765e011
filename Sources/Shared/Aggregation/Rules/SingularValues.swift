// SPDX-License-Identifier: Apache-2.0
import Compute

/// The best approximation of M at a rank, balanced: B = U_r Σ_r^½, A = Σ_r^½ V_rᵀ, scale 1 (Bai et al.
/// 2024, FlexLoRA, https://arxiv.org/abs/2402.11505; there B = U Σ). Any ranks. The error is
/// √(Σ_{j > r} σ_j²), the smallest that rank r allows. A client of lower rank takes the first columns.
struct SingularValues: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "svd", "the updates' mean at its best approximation of --rank or --energy",
    source: "Bai et al. 2024 (FlexLoRA), https://arxiv.org/abs/2402.11505",
    traits: [.cutsForClients], options: [.rank, .energy, .personal],
    make: { SingularValues(choice: RankChoice(rank: $0.rank, energy: $0.energy)) })

  let choice: RankChoice

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    ScaleOne.combination(round.clients.map(\.file), round.weights, choice, on: loop)
  }
}
