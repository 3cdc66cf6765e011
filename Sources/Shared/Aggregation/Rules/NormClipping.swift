// SPDX-License-Identifier: Apache-2.0
import Compute

/// Σ w_i Δ_i · min(1, C/‖Δ_i‖) over whole updates, cut to `--rank` (Sun et al. 2019,
/// https://arxiv.org/abs/1911.07963). C is `--clip-norm`, else the median of the norms. With a parent P
/// the updates are Δ_i = ΔW_i − ΔW_P, and P is added again; without one they are the ΔW_i.
struct NormClipping: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "clip", "weighted mean of the updates, long ones cut to --clip-norm (default: the median norm)",
    source: "Sun et al. 2019, https://arxiv.org/abs/1911.07963",
    options: [.rank, .energy, .clipNorm, .parent],
    make: {
      NormClipping(bound: $0.clipNorm, choice: RankChoice(rank: $0.rank, energy: $0.energy))
    })

  let bound: Double?
  let choice: RankChoice

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    let count = round.clients.count
    let files = round.clients.map(\.file) + (round.parent.map { [$0] } ?? [])
    let gram = ClientGram(files, on: loop)
    let norms = (0..<count).map { index in
      (round.parent == nil ? gram[index, index] : gram.squaredDistance(index, count)).squareRoot()
    }
    let bound = bound ?? median(norms)
    let coefficients = (0..<count).map { index in
      round.weights[index] * (norms[index] > bound ? bound / norms[index] : 1)
    }
    // Σ c_i (ΔW_i − P) + P.
    let rest = round.parent == nil ? [] : [1 - coefficients.reduce(0, +)]
    var result = ScaleOne.combination(files, coefficients + rest, choice, on: loop)
    result.coefficients = coefficients
    return result
  }
}
