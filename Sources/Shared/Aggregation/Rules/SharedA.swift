// SPDX-License-Identifier: Apache-2.0
import Compute

/// FedSA-LoRA: clients share A and each keeps its own B (Guo et al. 2024,
/// https://arxiv.org/abs/2410.01463). `--personal` writes for each client the mean A with that client's
/// B, from which it goes on. The result itself has the mean of B too, as `fedavg`: one global model to
/// evaluate, which nobody trains on.
struct SharedA: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "share-a", "weighted mean of A; --personal gives each client its own B back",
    source: "Guo et al. 2024 (FedSA-LoRA), https://arxiv.org/abs/2410.01463",
    traits: [.equalRanks, .commonParent, .spreadsNonFinite, .factorwise, .linear, .meanOfFactors, .keepsOwnB],
    options: [.personal], make: { _ in SharedA() })

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    try FederatedAveraging().aggregate(round, on: loop)
  }
}
