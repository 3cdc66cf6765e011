// SPDX-License-Identifier: Apache-2.0
import Compute

/// The point whose weighted distances to the clients' updates have the smallest sum, by smoothed
/// Weiszfeld steps c_i ← w_i / max(ν, ‖z − ΔW_i‖), z = Σ c_i ΔW_i / Σ c_i (Pillutla et al. 2019, RFA,
/// https://arxiv.org/abs/1912.13445), cut to `--rank`. Withstands clients of less than half the weight.
///
/// ν is 1e-6 of the median norm (1e-6 in the paper), so that the result scales with the updates.
struct GeometricMedian: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "geometric-median", "the update with the smallest sum of distances to the clients'",
    source: "Pillutla et al. 2019 (RFA), https://arxiv.org/abs/1912.13445",
    options: [.rank, .energy],
    make: { GeometricMedian(choice: RankChoice(rank: $0.rank, energy: $0.energy)) })

  let choice: RankChoice
  private static let smoothing = 1e-6
  /// Near the breakdown point each step shortens the distance by little: updates 1e30 times too long need
  /// hundreds.
  private static let maximumSteps = 5000
  /// Largest relative change of a coefficient at which the steps end: that of an update 1e30 times too
  /// long is as small as it should be only then.
  private static let tolerance = 1e-12

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    let files = round.clients.map(\.file)
    let coefficients = Self.coefficients(ClientGram(files, on: loop), round.weights)
    var result = ScaleOne.combination(files, coefficients, choice, on: loop)
    result.coefficients = coefficients
    return result
  }

  static func coefficients(_ gram: ClientGram, _ weights: [Double]) -> [Double] {
    let least = smoothing * median((0..<gram.count).map { gram[$0, $0].squareRoot() })
    if least == 0 { return weights }
    var current = weights
    for _ in 0..<maximumSteps {
      let shares = zip(weights, gram.distances(to: current)).map { $0 / max(least, $1) }
      let sum = shares.reduce(0, +)
      let next = shares.map { $0 / sum }
      let change = zip(next, current).map { abs($0 - $1) / max($0, .leastNormalMagnitude) }.max() ?? 0
      current = next
      if change <= tolerance { break }
    }
    return current
  }
}
