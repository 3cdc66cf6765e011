// SPDX-License-Identifier: Apache-2.0

/// All rules: a new one is one file in `Rules/` and one line here.
package enum RuleCatalog {
  package struct Entry: Sendable, CustomStringConvertible {
    package let name: String
    /// What is averaged, in one line.
    package let summary: String
    /// Paper and its address.
    package let source: String
    /// The rule refuses adapters of unequal ranks.
    package let needsEqualRanks: Bool
    /// The result depends on the factors, not only on their product: clients must start alike.
    package let needsCommonParent: Bool
    package let make: @Sendable () -> any AggregationRule
    package var description: String { name }
  }

  package static let all: [Entry] = [
    Entry(
      name: "fedavg", summary: "weighted mean of A and of B, apart",
      source: "McMahan et al. 2017, https://arxiv.org/abs/1602.05629",
      needsEqualRanks: true, needsCommonParent: true, make: { FederatedAveraging() })
  ]

  package static func entry(_ name: String) throws(AggregationError) -> Entry {
    guard let entry = all.first(where: { $0.name == name }) else { throw .unknownRule(name) }
    return entry
  }
}
