// SPDX-License-Identifier: Apache-2.0
import Compute

/// HetLoRA: factors of smaller rank are filled up with zeros, and A and B averaged apart by
/// p_i = ‖ΔW_i‖ / Σ_j ‖ΔW_j‖ over whole updates (Cho et al. 2024, https://arxiv.org/abs/2401.06432,
/// sparsity-weighted aggregation; there each norm is one matrix's). Weights are not used. A client of
/// rank r takes the first r rows and columns.
struct ZeroPadding: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "hetlora", "A and B apart, filled up with zeros to the largest rank, by the updates' norms",
    source: "Cho et al. 2024 (HetLoRA), https://arxiv.org/abs/2401.06432",
    traits: [.commonParent, .ignoresWeights, .cutsForClients], options: [.personal],
    make: { _ in ZeroPadding() })

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    let gram = ClientGram(round.clients.map(\.file), on: loop)
    let norms = (0..<gram.count).map { gram[$0, $0].squareRoot() }
    // Updates that are all zero have no shares of their own.
    let sum = norms.reduce(0, +)
    let shares = norms.map { sum > 0 ? $0 / sum : 1 / Double(norms.count) }
    return RuleResult(
      PaddedMean.adapter(round, shares: shares, renormalizes: false, on: loop))
  }
}
