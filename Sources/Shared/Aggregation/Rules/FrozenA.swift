// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// FFA-LoRA: all clients keep the same A and train B, so that the mean of B is exact: M = B̄ A_0 (Sun et
/// al. 2024, https://arxiv.org/abs/2403.12313). Clients whose A differs are refused.
struct FrozenA: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "ffa", "weighted mean of B; all clients must have the same A (cl-train --freeze A)",
    source: "Sun et al. 2024 (FFA-LoRA), https://arxiv.org/abs/2403.12313",
    traits: [.equalRanks, .commonFactor, .factorwise, .linear], make: { _ in FrozenA() })

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    try CommonFactor.mean(round, trained: .b, on: loop)
  }
}
