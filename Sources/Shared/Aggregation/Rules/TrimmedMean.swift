// SPDX-License-Identifier: Apache-2.0
import Compute

/// The mean of each value of A and of B, apart, without the ⌊βN⌋ smallest and the ⌊βN⌋ largest (Yin et
/// al. 2018, https://arxiv.org/abs/1803.01498). β is `--trim`, 0.2 by default. Weights are not used. As
/// for `fedavg` all clients must start from the same adapter; scales are folded as there.
struct TrimmedMean: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "trimmed-mean", "the mean of each value of A and of B, apart, without the --trim outermost",
    source: "Yin et al. 2018, https://arxiv.org/abs/1803.01498",
    traits: [.equalRanks, .commonParent, .ignoresWeights, .factorwise], options: [.trim],
    make: { TrimmedMean(trim: $0.trim ?? 0.2) })

  /// Share that is dropped at each side, below one half.
  let trim: Double

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    let count = round.clients.count
    let dropped = Int(trim * Double(count))
    let tiles = SortedTiles(count: count)
    return RuleResult(
      FactorFold(round).adapter(round) {
        tiles.mean($0, $1, of: dropped..<count - dropped, on: loop)
      })
  }
}
