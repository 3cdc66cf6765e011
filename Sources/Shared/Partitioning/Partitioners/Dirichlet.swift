// SPDX-License-Identifier: Apache-2.0
package import Randomness

/// For each bin, the clients' shares of it are drawn from a symmetric Dirichlet distribution.
///
/// The smaller alpha, the fewer clients hold most of a bin. Bins and sizes are skewed together.
/// Source: Yurochkin et al. 2019 (arXiv 1905.12022); Li et al. 2021 (arXiv 2102.02079), "label
/// distribution skew". Departures: counts by largest remainder, not by rounding cumulative shares
/// down, which favours the last client; a draw with small shards is repaired, not thrown away.
package struct Dirichlet: Partitioner {
  package static let name = "dirichlet"
  package static let summary = "each bin is shared out by Dirichlet(alpha) over the clients"
  package static let need = PropertyNeed.bins

  private let alpha: Double

  package init(alpha: Double, argument: String?) throws(PartitionError) {
    try MethodArgument.none(argument, method: Self.name)
    self.alpha = alpha
  }

  package func shares(ofBin streamName: String, clients: Int, seed: Seed) -> [Double]? {
    var draws = seed.stream("partition", Self.name, streamName)
    return draws.dirichlet(concentration: alpha, count: clients)
  }

  package func divide(_ problem: PartitionProblem) -> Division {
    let sizes = problem.bins.sizes
    var counts = CountMatrix(clients: problem.clients, bins: problem.bins.count)
    var proportions: [[Double]] = []
    for bin in 0..<problem.bins.count {
      guard
        let shares = shares(
          ofBin: problem.bins.streamName(of: bin), clients: problem.clients, seed: problem.seed)
      else { continue }
      let parts = Apportionment.parts(of: sizes[bin], shares: shares)
      for (client, part) in parts.enumerated() { counts[client, bin] = part }
      proportions.append(shares)
    }
    return Division(clientOf: problem.deal(counts), proportions: proportions)
  }
}
