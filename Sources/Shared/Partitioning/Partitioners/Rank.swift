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
    // Equal values come in random order.
    let shuffled = problem.shuffledRecords()
    var ranked = problem.values?.ranked(shuffled) ?? (0..<count).map { Int32($0) }
    var noise = problem.stream(Self.name)
    let noiseScale = (1 - correlation * correlation).squareRoot()
    var scores = [Double](repeating: 0, count: count)
    for (rank, place) in ranked.enumerated() {
      let quantile = NormalDistribution.quantile((Double(rank) + 0.5) / Double(count))
      scores[Int(place)] = correlation * quantile
    }
    for place in scores.indices where noiseScale > 0 { scores[place] += noiseScale * noise.normal() }
    if noiseScale > 0 {
      ranked.sort {
        let (left, right) = (scores[Int($0)], scores[Int($1)])
        return left != right ? left < right : $0 < $1
      }
    }
    for rank in ranked.indices { ranked[rank] = shuffled[Int(ranked[rank])] }
    return Division(clientOf: problem.cut(ranked, sizes: problem.equalSizes))
  }
}
