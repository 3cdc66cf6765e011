// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// Factors side by side: A = [w_1 s_1 A_1; w_2 s_2 A_2; …], B = [B_1 B_2 …], scale 1, so that BA = M
/// (Wang et al. 2024, FLoRA, https://arxiv.org/abs/2409.05976). Any ranks; the result's is their sum.
/// Clients without weight are left out.
struct Stacking: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "stack", "the updates' exact mean: factors side by side, ranks add up",
    source: "Wang et al. 2024 (FLoRA), https://arxiv.org/abs/2409.05976",
    make: { _ in Stacking() })

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    let parts = zip(round.clients, round.weights).filter { $0.1 > 0 }
    let modules = loop.map(round.modules.count) { index in
      let module = round.modules[index]
      let rank = parts.reduce(0) { $0 + $1.0.file.modules[index].rank }
      var loraA: [Float] = []
      loraA.reserveCapacity(rank * module.inputSize)
      var loraB = [Float](repeating: 0, count: module.outputSize * rank)
      var column = 0
      for (client, weight) in parts {
        let views = client.file.modules[index]
        let factor = weight * views.scale
        loraA.append(contentsOf: ClientFactors.values(views.loraA).map { Float(factor * $0) })
        let values = ClientFactors.values(views.loraB)
        for output in 0..<module.outputSize {
          for lane in 0..<views.rank {
            loraB[output * rank + column + lane] = Float(values[output * views.rank + lane])
          }
        }
        column += views.rank
      }
      return ScaleOne.module(like: module, rank: rank, loraA: loraA, loraB: loraB)
    }
    return RuleResult(ScaleOne.adapter(modules, like: round.clients[0].file.config))
  }
}
