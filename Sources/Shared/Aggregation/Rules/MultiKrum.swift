// SPDX-License-Identifier: Apache-2.0
import Compute

/// The plain mean of the m clients of lowest Krum score, cut to `--rank` (Blanchard et al. 2017,
/// https://arxiv.org/abs/1703.02757). m is `--keep`, else N − f; f and its bound as for `krum`.
struct MultiKrum: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "multi-krum", "mean of the --keep clients closest to their nearest others",
    source: "Blanchard et al. 2017, https://arxiv.org/abs/1703.02757",
    traits: [.ignoresWeights, .needsThree], options: [.hostile, .keep, .rank, .energy],
    make: {
      MultiKrum(
        hostile: $0.hostile, keep: $0.keep, choice: RankChoice(rank: $0.rank, energy: $0.energy))
    })

  let hostile: Int?
  let keep: Int?
  let choice: RankChoice

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    let ranking = try Krum.ranking(round, hostile: hostile, rule: "multi-krum", on: loop)
    let kept = keep ?? round.clients.count - ranking.hostile
    guard kept <= round.clients.count else {
      throw .invalidOption(.keep, expected: "at most \(round.clients.count), the adapters there are")
    }
    var coefficients = [Double](repeating: 0, count: round.clients.count)
    for client in ranking.order.prefix(kept) { coefficients[client] = 1 / Double(kept) }
    var result = ScaleOne.combination(
      round.clients.map(\.file), coefficients, choice, on: loop)
    result.coefficients = coefficients
    return result
  }
}
