// SPDX-License-Identifier: Apache-2.0

/// All partitioners. A new one is a file under `Partitioners/` and a line here.
package enum PartitionerCatalog {
  package static let all: [any Partitioner.Type] = [
    IID.self,
    Dirichlet.self,
    DirichletClient.self,
    Quantity.self,
    Rank.self,
    LabelShards.self,
    Pathological.self,
    Natural.self,
    Grouped.self,
    OnlyAxis.self,
    Joint.self,
    LikePlan.self,
  ]

  package static var names: [String] { all.map { $0.name } }

  /// The range of `--alpha`; beyond it a share is 0 or equal to its mean in double precision.
  package static let alphaRange = 1e-6...1e9

  /// The partitioner that `--method` names.
  ///
  /// - Parameter text: `name` or `name:argument`.
  /// - Throws: ``PartitionError/unknownMethod(_:valid:)``,
  ///   ``PartitionError/invalidOption(_:value:expected:)``.
  package static func partitioner(
    _ text: String, alpha: Double
  ) throws(PartitionError) -> any Partitioner {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let name = parts.first.map(String.init) ?? ""
    guard let type = all.first(where: { $0.name == name }) else {
      throw .unknownMethod(text, valid: names)
    }
    guard alphaRange.contains(alpha) else {
      throw .invalidOption("--alpha", value: "\(alpha)", expected: "a number from 1e-6 to 1e9")
    }
    return try type.init(alpha: alpha, argument: parts.count > 1 ? String(parts[1]) : nil)
  }
}
