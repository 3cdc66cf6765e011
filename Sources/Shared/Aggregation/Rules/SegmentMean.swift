// SPDX-License-Identifier: Apache-2.0
import Compute

/// Row j of A and column j of B averaged over the clients whose rank is above j, by their weights among
/// one another (the segment-wise averaging of PreLort, https://arxiv.org/abs/2606.15963, known to us by
/// its abstract). With equal ranks and scales it is `fedavg`. A client of rank r takes the first r.
struct SegmentMean: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "segment", "A and B apart, each rank averaged over the clients that have it",
    source: "PreLort 2026, https://arxiv.org/abs/2606.15963",
    traits: [.commonParent, .cutsForClients], options: [.personal], make: { _ in SegmentMean() })

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    RuleResult(
      PaddedMean.adapter(round, shares: round.weights, renormalizes: true, on: loop))
  }
}
