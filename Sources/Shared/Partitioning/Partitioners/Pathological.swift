// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// Each client has records of only `C` bins; each bin is shared evenly by the clients that have it.
///
/// `pathological:C`, C = 2 unless given. Every bin has as many owners as any other, give or take one,
/// so that no record is without a client. Source: Li et al. 2021 (arXiv 2102.02079), "#C = k".
/// Departures: they draw each client's classes independently, so that a class may have no owner, and
/// its records are lost (flwr-datasets drops them with a warning); here clients take, in random order,
/// the bins that have the most places left. If clients times C is less than the bins, each client
/// gets as many bins as it takes to own all of them.
package struct Pathological: Partitioner {
  package static let name = "pathological"
  package static let summary = "pathological:C gives each client records of C bins only"
  package static let need = PropertyNeed.bins

  private let binsPerClient: Int

  package init(alpha: Double, argument: String?) throws(PartitionError) {
    binsPerClient = try MethodArgument.count(argument, method: Self.name, default: 2)
  }

  package func divide(_ problem: PartitionProblem) -> Division {
    let sizes = problem.bins.sizes
    let used = sizes.indices.filter { sizes[$0] > 0 }
    var counts = CountMatrix(clients: problem.clients, bins: problem.bins.count)
    var proportions = [[Double]](
      repeating: [Double](repeating: 0, count: problem.clients), count: problem.bins.count)
    var draws = problem.stream(Self.name)
    let owned = ownedBins(used.count, clients: problem.clients, draws: &draws)
    for (place, bin) in used.enumerated() {
      let shares = owned.map { $0[place] ? 1.0 : 0 }
      let owners = shares.reduce(0, +)
      for (client, part) in Apportionment.parts(of: sizes[bin], shares: shares).enumerated() {
        counts[client, bin] = part
        proportions[bin][client] = shares[client] / owners
      }
    }
    return Division(clientOf: problem.deal(counts), proportions: proportions)
  }

  /// For each client, which bins it has.
  private func ownedBins(_ bins: Int, clients: Int, draws: inout Philox) -> [[Bool]] {
    var owned = [[Bool]](repeating: [Bool](repeating: false, count: bins), count: clients)
    if bins == 0 { return owned }
    let perClient = min(bins, max(binsPerClient, (bins + clients - 1) / clients))
    // Places of each bin; which bins have one more is random.
    var places = [Int](repeating: clients * perClient / bins, count: bins)
    for bin in draws.permutation(count: bins).prefix(clients * perClient % bins) { places[bin] += 1 }
    for client in draws.permutation(count: clients) {
      // Taking the bins with most places left never leaves a later client without enough of them.
      let tie = draws.permutation(count: bins)
      let order = (0..<bins).sorted {
        places[$0] != places[$1] ? places[$0] > places[$1] : tie[$0] < tie[$1]
      }
      for bin in order.prefix(perClient) {
        owned[client][bin] = true
        places[bin] -= 1
      }
    }
    return owned
  }
}
