// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// Both of two properties uneven, each by a draw of its own; all clients have equally many records.
///
/// `joint:A,B`. Each client draws a mixture of the bins of A and, independently, one of those of B,
/// both around the global mixtures; what it should have of a cell of the product is the product of
/// the two, times how much the properties go together in the corpus. ``ProportionalFitting`` makes that
/// fit the records that there are. `--method dirichlet --by joint:A,B` draws each cell by itself
/// instead, so that a client may get the shortest good and the longest bad texts, and skews the sizes.
package struct Joint: Partitioner {
  package static let name = "joint"
  package static let summary = "joint:A,B skews two properties independently, equal sizes"
  package static let need = PropertyNeed.pair

  private let alpha: Double
  private let pair: String?

  package init(alpha: Double, argument: String?) throws(PartitionError) {
    self.alpha = alpha
    pair = argument
  }

  package func property(given: String?) throws(PartitionError) -> String? {
    guard let pair else { return given ?? "joint:length,quality" }
    if let given, given != "joint:\(pair)" {
      throw .unsuitableProperty(
        method: "--method joint:\(pair)", property: given, expected: "no --by")
    }
    return "joint:\(pair)"
  }

  package func divide(_ problem: PartitionProblem) -> Division {
    let axes = problem.bins.binnings.map(\.axis)
    guard axes.count == 2, let first = JointCells(problem.bins, skewed: axes[0]),
      let second = JointCells(problem.bins, skewed: axes[1])
    else {
      return Division(clientOf: problem.cut(problem.shuffledRecords(), sizes: problem.equalSizes))
    }
    let sizes = problem.bins.sizes
    let rows = first.clientMixtures(
      problem, sizes: sizes, alpha: alpha, purpose: "\(Self.name)/\(axes[0].name)")
    let columns = second.clientMixtures(
      problem, sizes: sizes, alpha: alpha, purpose: "\(Self.name)/\(axes[1].name)")
    let (rowTotals, columnTotals) = (first.skewedTotals(sizes), second.skewedTotals(sizes))
    let used = sizes.indices.filter { sizes[$0] > 0 }
    let total = Double(max(1, problem.recordCount))
    let affinity = used.map { bin in
      let expected =
        Double(rowTotals[bin / first.heldCount]) * Double(columnTotals[bin % first.heldCount])
      return PortableMath.log(Double(sizes[bin]) * total / expected)
    }
    let wanted = (0..<problem.clients).map { client in
      JointCells.normalised(
        used.enumerated().map { place, bin in
          ProportionalFitting.compressed(rows[client][bin / first.heldCount])
            + ProportionalFitting.compressed(columns[client][bin % first.heldCount])
            + affinity[place]
        })
    }
    let fitted = ProportionalFitting.counts(
      logWeights: wanted, rows: problem.equalSizes, columns: used.map { sizes[$0] })
    var counts = CountMatrix(clients: problem.clients, bins: problem.bins.count)
    for client in 0..<problem.clients {
      for (place, bin) in used.enumerated() { counts[client, bin] = fitted[client][place] }
    }
    return Division(clientOf: problem.deal(counts))
  }
}
