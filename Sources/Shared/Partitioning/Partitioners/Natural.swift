// SPDX-License-Identifier: Apache-2.0

/// Each value of a field is an owner, and each owner a client.
///
/// `natural:FIELD`, or `--by label:FIELD`. With fewer `--clients` than owners, owners are merged,
/// the largest first, each into the client that is smallest so far. Without `--clients`, owners
/// with fewer than `--min-records` records are merged with one another, the smallest first. No owner is
/// ever cut in two. `--max-records` caps a client. Source: Caldas et al. 2018 (LEAF, arXiv 1812.01097),
/// which drops small users, and flwr-datasets' NaturalIdPartitioner, which keeps them.
package struct Natural: Partitioner {
  package static let name = "natural"
  package static let summary = "natural:FIELD makes each value of a field a client"
  package static let need = PropertyNeed.labels

  private let field: String?

  package init(alpha: Double, argument: String?) throws(PartitionError) {
    field = argument
    if argument == "" {
      throw .invalidOption("--method natural", value: "", expected: "the name of a field after it")
    }
  }

  package func property(given: String?) throws(PartitionError) -> String? {
    try OwnerField.property(field, given: given, method: Self.name)
  }

  package func clientCount(
    asked: Int?, binSizes: [Int], minimum: Int
  ) throws(PartitionError) -> Int {
    let owners = binSizes.filter { $0 > 0 }.count
    if let asked, asked > owners { throw .tooFewOwners(owners: owners, clients: asked) }
    return asked ?? max(1, Self.clients(binSizes: binSizes, asked: nil, minimum: minimum).count)
  }

  package func divide(_ problem: PartitionProblem) -> Division {
    let sizes = problem.bins.sizes
    let groups = Self.clients(
      binSizes: sizes, asked: problem.clients, minimum: problem.minimum)
    var clientOf = [Int32](repeating: 0, count: sizes.count)
    for (client, owners) in groups.enumerated() {
      for owner in owners { clientOf[owner] = Int32(client) }
    }
    return Division(clientOf: problem.bins.binOf.map { clientOf[Int($0)] })
  }

  /// The owners of each client, the clients in the order of their first owner.
  static func clients(binSizes: [Int], asked: Int?, minimum: Int) -> [[Int]] {
    func total(_ owners: [Int]) -> Int { owners.reduce(0) { $0 + binSizes[$1] } }
    let owners = binSizes.indices.filter { binSizes[$0] > 0 }
    var clients = owners.filter { binSizes[$0] >= minimum }.map { [$0] }
    var rest: [Int] = []
    for owner in bySize(owners.filter { binSizes[$0] < minimum }, binSizes).reversed() {
      rest.append(owner)
      if total(rest) >= minimum {
        clients.append(rest)
        rest = []
      }
    }
    if !rest.isEmpty {
      let sizes = clients.map(total)
      if let smallest = sizes.indices.min(by: { sizes[$0] < sizes[$1] }) {
        clients[smallest] += rest
      } else {
        clients.append(rest)
      }
    }
    if let asked, asked != clients.count {
      clients = merged(bySize(owners, binSizes), into: asked, binSizes)
    }
    return clients.sorted { ($0.min() ?? .max) < ($1.min() ?? .max) }
  }

  /// Longest processing time first: the largest owner goes to the smallest client.
  private static func merged(_ owners: [Int], into count: Int, _ binSizes: [Int]) -> [[Int]] {
    var clients = [[Int]](repeating: [], count: count)
    var totals = [Int](repeating: 0, count: count)
    for owner in owners {
      guard let client = totals.indices.min(by: { totals[$0] < totals[$1] }) else { break }
      clients[client].append(owner)
      totals[client] += binSizes[owner]
    }
    return clients
  }

  /// The largest first; equal ones in the order of their names.
  private static func bySize(_ owners: [Int], _ binSizes: [Int]) -> [Int] {
    owners.sorted { binSizes[$0] != binSizes[$1] ? binSizes[$0] > binSizes[$1] : $0 < $1 }
  }
}

/// The field of methods that take it as their argument or from `--by label:FIELD`.
enum OwnerField {
  static func property(
    _ field: String?, given: String?, method: String
  ) throws(PartitionError) -> String? {
    guard let field else { return given }
    let own = "label:\(field)"
    if let given, given != own {
      throw .unsuitableProperty(
        method: "--method \(method):\(field)", property: given, expected: "no --by, or --by \(own)")
    }
    return own
  }
}
