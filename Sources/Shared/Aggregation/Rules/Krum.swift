// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// The one client closest to its N − f − 2 nearest others, by squared distance between whole updates
/// (Blanchard et al. 2017, https://arxiv.org/abs/1703.02757). Needs N ≥ 2f + 3; f is `--hostile`, else
/// the most that N allows. Weights are not used. The result is that client's own adapter.
struct Krum: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "krum", "the one client closest to its nearest others, --hostile of them hostile",
    source: "Blanchard et al. 2017, https://arxiv.org/abs/1703.02757",
    traits: [.ignoresWeights, .needsThree], options: [.hostile], make: { Krum(hostile: $0.hostile) })

  let hostile: Int?

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    let chosen = try Self.ranking(round, hostile: hostile, rule: "krum", on: loop).order[0]
    let file = round.clients[chosen].file
    let modules = file.modules.map { module in
      AdapterModule(
        path: module.path, rank: module.rank, inputSize: module.inputSize,
        outputSize: module.outputSize, alpha: module.alpha,
        loraA: WeightedSum.of([module.loraA], [1], on: loop),
        loraB: WeightedSum.of([module.loraB], [1], on: loop))
    }
    return RuleResult(
      Adapter(config: file.config, modules: modules),
      coefficients: round.clients.indices.map { $0 == chosen ? 1 : 0 })
  }

  /// Clients by their score, the lowest first; equal ones keep their order.
  static func ranking(
    _ round: AggregationRound, hostile: Int?, rule: String, on loop: ParallelFor
  ) throws(AggregationError) -> (order: [Int], hostile: Int) {
    let count = round.clients.count
    let hostile = hostile ?? max(0, (count - 3) / 2)
    // Compared this way, no number that the user may name overflows.
    guard count >= 3, hostile <= (count - 3) / 2 else {
      let (twice, overflow) = hostile.multipliedReportingOverflow(by: 2)
      throw .tooFewForRule(
        rule, found: count, required: overflow || twice > .max - 3 ? .max : twice + 3,
        hostile: hostile)
    }
    let gram = ClientGram(round.clients.map(\.file), on: loop)
    let scores = (0..<count).map { client in
      (0..<count).filter { $0 != client }.map { gram.squaredDistance(client, $0) }.sorted()
        .prefix(count - hostile - 2).reduce(0, +)
    }
    let order = (0..<count).sorted {
      scores[$0] != scores[$1] ? scores[$0] < scores[$1] : $0 < $1
    }
    return (order, hostile)
  }
}
