// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute
import Randomness

/// DARE: each value of each client survives by chance with probability `--density` (0.5 by default) and
/// is divided by it, then all are averaged (Yu et al. 2023, https://arxiv.org/abs/2311.03099). On A and B
/// apart; with `--parent` on the differences to it. Draws depend on `--seed`, client and tensor alone.
struct Dare: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "dare", "A and B apart: values dropped by chance, the others divided by --density, averaged",
    source: "Yu et al. 2023 (DARE), https://arxiv.org/abs/2311.03099",
    traits: [.equalRanks, .commonParent, .factorwise], options: [.density, .parent],
    make: { Dare(density: $0.density ?? 0.5, seed: Seed($0.seed)) })

  let density: Double
  let seed: Seed

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    var seen: [String: Int] = [:]
    let names = round.clients.map { client in
      let name = client.client ?? ""
      seen[name, default: 0] += 1
      // Clients of one name draw apart; their order is fixed by content.
      return [name, "\(seen[name, default: 0])"]
    }
    return RuleResult(
      TaskVectors.merged(round, on: loop) { vectors, tensor in
        var sums = [Double](repeating: 0, count: vectors.first?.count ?? 0)
        for (index, vector) in vectors.enumerated() {
          var draws = seed.stream(path: ["aggregate", "dare", tensor] + names[index])
          let factor = round.weights[index] / density
          for place in vector.indices where density >= 1 || draws.uniform() < density {
            sums[place] += factor * Double(vector[place])
          }
        }
        return sums
      })
  }
}
