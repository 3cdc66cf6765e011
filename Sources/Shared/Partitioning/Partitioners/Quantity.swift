// SPDX-License-Identifier: Apache-2.0
package import Randomness

/// Clients' shares of the whole are drawn from one Dirichlet distribution; which records they get is
/// random.
///
/// Without `--by`, or with `--by records`, the shares are of the records beyond the minimum. With
/// `--by tokens`, `length` or `sentences` they are of the sum of that property: the records are put
/// in random order and cut where the running sum comes nearest to the shares' running sum, so each
/// client is within the largest record of its share. Source: Li et al. 2021 (arXiv 2102.02079),
/// "quantity skew", with its rejection of small shards replaced by a floor.
package struct Quantity: Partitioner {
  package static let name = "quantity"
  package static let summary = "clients' shares of all records, tokens or sentences by Dirichlet(alpha)"
  package static let need = PropertyNeed.amount

  private let alpha: Double

  package init(alpha: Double, argument: String?) throws(PartitionError) {
    try MethodArgument.none(argument, method: Self.name)
    self.alpha = alpha
  }

  package func shares(ofBin streamName: String, clients: Int, seed: Seed) -> [Double]? {
    var draws = seed.stream("partition", Self.name)
    return draws.dirichlet(concentration: alpha, count: clients)
  }

  package func divide(_ problem: PartitionProblem) -> Division {
    var draws = problem.stream(Self.name)
    let shares = draws.dirichlet(concentration: alpha, count: problem.clients)
    let order = problem.shuffledRecords()
    let sizes: [Int]
    if let amounts = problem.values, amounts.runs.values.contains(where: { $0 > 0 }) {
      sizes = Self.sizes(cutting: order, amounts: amounts, shares: shares)
    } else {
      let free = problem.recordCount - problem.clients * problem.minimum
      sizes = Apportionment.parts(of: free, shares: shares).map { $0 + problem.minimum }
    }
    return Division(clientOf: problem.cut(order, sizes: sizes), proportions: [shares])
  }

  /// Records of each client when the running sum of the amounts is cut nearest to that of the shares.
  static func sizes(cutting order: [Int32], amounts: RankedValues, shares: [Double]) -> [Int] {
    let total = amounts.runOf.reduce(0) { $0 + amounts.runs.values[Int($1)] }
    var sizes: [Int] = []
    var next = 0
    var sum = 0.0
    var share = 0.0
    for (client, part) in shares.enumerated() {
      let start = next
      share += part
      if client == shares.count - 1 {
        next = order.count
      } else {
        let target = share * total
        while next < order.count {
          let amount = amounts[Int(order[next])]
          // Taking it must not lead further beyond the target than leaving it falls short.
          if sum + amount - target > target - sum { break }
          sum += amount
          next += 1
        }
      }
      sizes.append(next - start)
    }
    return sizes
  }
}
