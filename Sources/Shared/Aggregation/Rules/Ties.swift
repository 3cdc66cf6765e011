// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// TIES: of each client's tensor the share `--density` of largest magnitude is kept (0.2 by default), the
/// sign of each place elected by the sum, and those that agree with it averaged by weight (Yadav et
/// al. 2023, https://arxiv.org/abs/2306.01708; there all weigh alike). On A and B apart; with `--parent`
/// on the differences to it, which are then added to it.
struct Ties: AggregationRule {
  static let entry = RuleCatalog.Entry(
    "ties", "A and B apart: largest values kept, a sign elected for each place, agreeing ones averaged",
    source: "Yadav et al. 2023 (TIES-Merging), https://arxiv.org/abs/2306.01708",
    traits: [.equalRanks, .commonParent, .factorwise], options: [.density, .parent],
    make: { Ties(density: $0.density ?? 0.2) })

  let density: Double

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    RuleResult(
      TaskVectors.merged(round, on: loop) { vectors, _ in
        let kept = vectors.map { trimmed($0) }
        return (0..<(kept.first?.count ?? 0)).map { place in
          var sum = 0.0
          for (vector, weight) in zip(kept, round.weights) { sum += weight * Double(vector[place]) }
          var (total, share) = (0.0, 0.0)
          for (vector, weight) in zip(kept, round.weights) {
            let value = Double(vector[place])
            if value * sum > 0 {
              total += weight * value
              share += weight
            }
          }
          return share > 0 ? total / share : 0
        }
      })
  }

  /// Zero but for the ⌊density · n⌋ values of largest magnitude, at least one; of equal ones the first.
  private func trimmed(_ values: [Float]) -> [Float] {
    let count = min(values.count, max(1, Int(density * Double(values.count))))
    if count == values.count { return values }
    // Magnitudes of finite floats are in the order of their bits.
    let threshold = values.map { $0.magnitude.bitPattern }.sorted(by: >)[count - 1]
    var equal = count - values.reduce(0) { $0 + ($1.magnitude.bitPattern > threshold ? 1 : 0) }
    return values.map { value in
      let bits = value.magnitude.bitPattern
      if bits > threshold { return value }
      if bits == threshold, equal > 0 {
        equal -= 1
        return value
      }
      return 0
    }
  }
}
