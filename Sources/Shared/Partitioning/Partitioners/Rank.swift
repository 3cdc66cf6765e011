// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// Records are ordered by a mixture of their rank and noise, and cut into shards of equal size.
///
/// `rank:R` with 0 <= R <= 1: R is the correlation, after both are made normal by their ranks,
/// between the property and the place in the order. 0 is IID, 1 gives client 0 the smallest values
/// and the last client the largest. Unlike Dirichlet over bins it keeps neighbouring values together.
/// Scores are normal quantiles of ranks, so outliers and the scale of the property do not matter.
package struct Rank: Partitioner {
  package static let name = "rank"
  package static let summary = "rank:R cuts an order that correlates by R with the property"
  package static let need = PropertyNeed.ranking

  private let correlation: Double

  package init(alpha: Double, argument: String?) throws(PartitionError) {
    guard let argument else {
      correlation = 1
      return
    }
    guard let value = Double(argument), value >= 0, value <= 1 else {
      throw .invalidOption("--method rank", value: argument, expected: "a number from 0 to 1")
    }
    correlation = value
  }

  package func divide(_ problem: PartitionProblem) -> Division {
    let count = problem.recordCount
    let values = problem.values ?? [Double](repeating: 0, count: count)
    // Equal values come in random order.
    let shuffled = problem.shuffledRecords()
    let ranked = shuffled.indices.sorted {
      let (left, right) = (values[Int(shuffled[$0])], values[Int(shuffled[$1])])
      return left != right ? left < right : $0 < $1
    }
    var noise = problem.stream(Self.name)
    let noiseScale = (1 - correlation * correlation).squareRoot()
    var scores = [Double](repeating: 0, count: count)
    for (rank, place) in ranked.enumerated() {
      let quantile = NormalDistribution.quantile((Double(rank) + 0.5) / Double(count))
      scores[place] = correlation * quantile
    }
    for place in scores.indices where noiseScale > 0 { scores[place] += noiseScale * noise.normal() }
    let order = scores.indices.sorted {
      scores[$0] != scores[$1] ? scores[$0] < scores[$1] : $0 < $1
    }.map { shuffled[$0] }
    return Division(clientOf: problem.cut(order, sizes: problem.equalSizes))
  }
}
