// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// FedNova: each client's change over its number of steps, times the mean number of steps (Wang et al.
/// 2020, https://arxiv.org/abs/2007.07481): x + τ̄ Σ w_i Δ_i / τ_i with τ̄ = Σ w_i τ_i, on A and B apart.
/// Clients of long contexts take fewer steps for the same tokens; here that weighs nothing.
///
/// τ_i is what the client claims (`steps`); a claim far below the mean counts as a tenth of it, so that
/// no change is enlarged more than tenfold. Where all took as many steps it is `fedavg` and needs no
/// parent.
struct NormalizedAveraging: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "fednova", "weighted mean of A and of B, apart, of changes per step; needs --parent",
    source: "Wang et al. 2020 (FedNova), https://arxiv.org/abs/2007.07481",
    traits: [.equalRanks, .commonParent, .factorwise], options: [.parent],
    make: { _ in NormalizedAveraging() })

  private static let largestFactor = 10.0

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    let coefficients = try Self.coefficients(round)
    guard let coefficients else { return try FederatedAveraging().aggregate(round, on: loop) }
    guard let parent = round.parent else { throw .missingParent(needs: "rule \"fednova\"") }
    return RuleResult(
      FactorFold(round, parent: parent).adapter(
        round, parent: parent, coefficients, on: loop))
  }

  /// w_i τ̄ / τ_i; nil where all took as many steps.
  static func coefficients(_ round: AggregationRound) throws(AggregationError) -> [Double]? {
    var steps: [Double] = []
    for client in round.clients {
      guard let count = client.file.provenance?.steps, count > 0 else {
        throw .missingCount(path: client.file.path, weights: "steps")
      }
      steps.append(Double(count))
    }
    if Set(steps).count == 1 { return nil }
    let mean = zip(round.weights, steps).reduce(0) { $0 + $1.0 * $1.1 }
    return zip(round.weights, steps).map { $0 * min(mean / $1, largestFactor) }
  }
}

extension FactorFold {
  /// Σ c_i x_i + (1 − Σ c_i) parent, for each value of A and of B.
  func adapter(
    _ round: AggregationRound, parent: AdapterFile, _ coefficients: [Double], on loop: ParallelFor
  ) -> Adapter {
    let rest = 1 - coefficients.reduce(0, +)
    return adapter(
      round,
      values: { index, isB in
        let files = round.clients.map(\.file) + [parent]
        let factors = zip(files, coefficients + [rest]).map { file, coefficient in
          coefficient * (keepsScale ? 1 : file.modules[index].scale.squareRoot())
        }
        return WeightedSum.of(
          files.map { isB ? $0.modules[index].loraB : $0.modules[index].loraA }, factors, on: loop)
      })
  }
}
