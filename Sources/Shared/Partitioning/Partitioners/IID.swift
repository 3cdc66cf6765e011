// SPDX-License-Identifier: Apache-2.0
package import Randomness

/// Random shards of equal size, whatever the records are. The control of every experiment.
package struct IID: Partitioner {
  package static let name = "iid"
  package static let summary = "random shards of equal size"
  package static let need = PropertyNeed.none

  package init(alpha: Double, argument: String?) throws(PartitionError) {
    try MethodArgument.none(argument, method: Self.name)
  }

  package func shares(ofBin streamName: String, clients: Int, seed: Seed) -> [Double]? {
    [Double](repeating: 1 / Double(clients), count: clients)
  }

  package func divide(_ problem: PartitionProblem) -> Division {
    Division(clientOf: problem.cut(problem.shuffledRecords(), sizes: problem.equalSizes))
  }
}
