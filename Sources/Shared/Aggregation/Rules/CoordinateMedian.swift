// SPDX-License-Identifier: Apache-2.0
import Compute

/// The median of each value of A and of B, apart; of an even number of clients the mean of the two
/// middle ones (Yin et al. 2018, https://arxiv.org/abs/1803.01498). Weights are not used. As for
/// `fedavg` all clients must start from the same adapter; scales are folded as there.
struct CoordinateMedian: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "median", "the median of each value of A and of B, apart",
    source: "Yin et al. 2018, https://arxiv.org/abs/1803.01498",
    traits: [.equalRanks, .commonParent, .ignoresWeights, .factorwise],
    make: { _ in CoordinateMedian() })

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    let count = round.clients.count
    let tiles = SortedTiles(count: count)
    let middle = (count - 1) / 2..<count / 2 + 1
    return RuleResult(
      FactorFold(round).adapter(round) { tiles.mean($0, $1, of: middle, on: loop) })
  }
}
