// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// Each client's mixture of bins is drawn from a Dirichlet distribution around the global mixture p,
/// with the shapes alpha p; all clients get equally many records.
///
/// The bins are skewed and the sizes are not, which ``Dirichlet`` cannot do. The drawn mixtures never
/// fit the bins' sizes exactly; they are fitted by ``ProportionalFitting``, which keeps their odds
/// ratios. Source: Hsu, Qi, Brown 2019 (arXiv 1909.06335). Departure: they draw record by record
/// until a class is used up, which needs as many steps as records and distorts the last clients.
package struct DirichletClient: Partitioner {
  package static let name = "dirichlet-client"
  package static let summary = "each client's mixture of bins by Dirichlet(alpha), equal sizes"
  package static let need = PropertyNeed.bins

  private let alpha: Double

  package init(alpha: Double, argument: String?) throws(PartitionError) {
    try MethodArgument.none(argument, method: Self.name)
    self.alpha = alpha
  }

  package func divide(_ problem: PartitionProblem) -> Division {
    let binSizes = problem.bins.sizes
    let used = binSizes.indices.filter { binSizes[$0] > 0 }
    let clientSizes = problem.equalSizes
    let shapes = used.map { alpha * Double(binSizes[$0]) / Double(max(1, problem.recordCount)) }
    var wanted: [[Double]] = []
    for client in 0..<problem.clients {
      var draws = problem.stream(Self.name, "client-\(client)")
      let logs = shapes.map { draws.logGamma(shape: $0) }
      let largest = logs.max() ?? 0
      wanted.append(logs.map { $0 - largest })
    }
    let fitted = ProportionalFitting.counts(
      logWeights: wanted, rows: clientSizes, columns: used.map { binSizes[$0] })
    var counts = CountMatrix(clients: problem.clients, bins: problem.bins.count)
    var proportions = [[Double]](
      repeating: [Double](repeating: 0, count: problem.clients), count: problem.bins.count)
    for client in 0..<problem.clients {
      for (column, bin) in used.enumerated() {
        counts[client, bin] = fitted[client][column]
        proportions[bin][client] = Double(fitted[client][column]) / Double(binSizes[bin])
      }
    }
    return Division(clientOf: problem.deal(counts), proportions: proportions)
  }
}
