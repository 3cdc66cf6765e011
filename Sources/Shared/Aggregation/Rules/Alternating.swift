// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// RoLoRA: one round trains B alone, the next A alone; the trained factor is averaged, the other is
/// common, so each mean is exact (Chen et al. 2024, https://arxiv.org/abs/2409.02346). Which was
/// trained is what the clients say (`trained`), and all must say the same.
struct Alternating: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "alternate", "weighted mean of the factor that was trained; the other must be the same in all",
    source: "Chen et al. 2024 (RoLoRA), https://arxiv.org/abs/2409.02346",
    traits: [.equalRanks, .commonFactor, .factorwise, .linear], make: { _ in Alternating() })

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    let trained = round.clients[0].file.provenance?.trained
    for client in round.clients {
      let claim = client.file.provenance?.trained
      guard let claim, claim != "AB", claim == trained else {
        throw .notAlternating(
          path: client.file.path, trained: claim, expected: trained == "A" ? "A" : "B")
      }
    }
    return try CommonFactor.mean(round, trained: trained == "A" ? .a : .b, on: loop)
  }
}
