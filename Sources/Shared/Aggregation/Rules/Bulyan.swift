// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// Bulyan: θ = N − 2f clients are picked by Krum, one after the other, scores taken anew among those
/// left; then each value of A and of B is the mean of the θ − 2f nearest to their median (El Mhamdi et
/// al. 2018, https://arxiv.org/abs/1802.07927). Needs N ≥ 4f + 3; f is `--hostile`, else the most that N
/// allows. Picks see whole updates; the mean treats A and B apart, so all must start from one adapter.
struct Bulyan: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "bulyan", "each value of A and of B the mean of those nearest the median, of clients Krum picks",
    source: "El Mhamdi et al. 2018, https://arxiv.org/abs/1802.07927",
    traits: [.equalRanks, .commonParent, .ignoresWeights, .factorwise, .needsThree],
    options: [.hostile], make: { Bulyan(hostile: $0.hostile) })

  let hostile: Int?

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    let count = round.clients.count
    let hostile = hostile ?? max(0, (count - 3) / 4)
    guard count >= 3, hostile <= (count - 3) / 4 else {
      let (product, overflow) = hostile.multipliedReportingOverflow(by: 4)
      throw .tooFewForRule(
        "bulyan", found: count, required: overflow || product > .max - 3 ? .max : product + 3,
        hostile: hostile)
    }
    let picked = Self.picks(
      ClientGram(round.clients.map(\.file), on: loop), count: count - 2 * hostile, hostile: hostile)
    let chosen = AggregationRound(
      clients: picked.map { round.clients[$0] },
      weights: picked.map { _ in 1 / Double(picked.count) })
    let tiles = SortedTiles(count: picked.count)
    return RuleResult(
      FactorFold(chosen).adapter(chosen) {
        tiles.meanNearMedian($0, $1, keep: picked.count - 2 * hostile, on: loop)
      })
  }

  /// In the order of the clients.
  static func picks(_ gram: ClientGram, count: Int, hostile: Int) -> [Int] {
    var left = Array(0..<gram.count)
    var picked: [Int] = []
    while picked.count < count, !left.isEmpty {
      // Of those left, as many nearest others as Krum takes; at least one while there is one.
      let nearest = max(1, left.count - hostile - 2)
      let scores = left.map { client in
        left.filter { $0 != client }.map { gram.squaredDistance(client, $0) }.sorted()
          .prefix(nearest).reduce(0, +)
      }
      var best = 0
      for index in scores.indices where scores[index] < scores[best] { best = index }
      picked.append(left.remove(at: best))
    }
    return picked.sorted()
  }
}
