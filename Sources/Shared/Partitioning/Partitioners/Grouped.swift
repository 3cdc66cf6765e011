// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// Owners in random order, `G` to a client.
///
/// `grouped:G` with `--by label:FIELD`: each value of the field is an owner; the last client may have
/// fewer. The number of clients follows from that of the owners. Source: flwr-datasets'
/// GroupedNaturalIdPartitioner. Departure: it groups owners in the order in which they first appear,
/// so that the groups change with the order of the file; here the order is drawn.
package struct Grouped: Partitioner {
  package static let name = "grouped"
  package static let summary = "grouped:G gives each client G values of a field, dealt at random"
  package static let need = PropertyNeed.labels

  private let ownersPerClient: Int

  package init(alpha: Double, argument: String?) throws(PartitionError) {
    ownersPerClient = try MethodArgument.count(argument, method: Self.name, default: 2)
  }

  package func clientCount(
    asked: Int?, binSizes: [Int], minimum: Int
  ) throws(PartitionError) -> Int {
    let owners = binSizes.filter { $0 > 0 }.count
    let clients = (owners + ownersPerClient - 1) / ownersPerClient
    if let asked, asked != clients { throw .tooFewOwners(owners: owners, clients: asked) }
    return max(1, clients)
  }

  package func divide(_ problem: PartitionProblem) -> Division {
    let sizes = problem.bins.sizes
    var owners = sizes.indices.filter { sizes[$0] > 0 }
    var draws = problem.stream(Self.name)
    draws.shuffle(&owners)
    var clientOf = [Int32](repeating: 0, count: sizes.count)
    for (place, owner) in owners.enumerated() {
      clientOf[owner] = Int32(min(place / ownersPerClient, problem.clients - 1))
    }
    return Division(clientOf: problem.bins.binOf.map { clientOf[Int($0)] })
  }
}
