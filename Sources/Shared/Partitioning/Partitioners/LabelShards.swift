// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// Records are sorted by the property and cut into `S` pieces a client; each client gets `S` random
/// pieces.
///
/// `shards:S`, S = 2 unless given. Equal values are in random order. Source: McMahan et al. 2017
/// (arXiv 1602.05629), the "pathological" split. Departure: the pieces differ by at most one record,
/// so that none is left over.
package struct LabelShards: Partitioner {
  package static let name = "shards"
  package static let summary = "shards:S sorts by the property and deals S pieces a client"
  package static let need = PropertyNeed.ranking

  private let piecesPerClient: Int

  package init(alpha: Double, argument: String?) throws(PartitionError) {
    piecesPerClient = try MethodArgument.count(argument, method: Self.name, default: 2)
  }

  package func divide(_ problem: PartitionProblem) -> Division {
    let shuffled = problem.shuffledRecords()
    let sorted =
      problem.values?.ranked(shuffled) ?? (0..<problem.recordCount).map { Int32($0) }
    // More pieces than records would only add empty ones.
    let perClient = max(1, min(piecesPerClient, problem.recordCount / problem.clients))
    let pieceCount = perClient * problem.clients
    let pieceSizes = Apportionment.parts(
      of: problem.recordCount, shares: [Double](repeating: 1, count: pieceCount))
    var draws = problem.stream(Self.name)
    let owners = draws.permutation(count: pieceCount).map { $0 / perClient }
    var clientOf = [Int32](repeating: 0, count: problem.recordCount)
    var next = 0
    for (piece, size) in pieceSizes.enumerated() {
      for _ in 0..<size {
        clientOf[Int(shuffled[Int(sorted[next])])] = Int32(owners[piece])
        next += 1
      }
    }
    return Division(clientOf: clientOf)
  }
}
