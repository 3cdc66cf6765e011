// SPDX-License-Identifier: Apache-2.0

/// All rules: a new one is one file in `Rules/` and one line here.
package enum RuleCatalog {
  package struct Entry: Sendable, CustomStringConvertible {
    package let name: String
    /// What is averaged, in one line.
    package let summary: String
    /// Paper and its address.
    package let source: String
    package let traits: Set<Trait>
    package let options: [RuleOption]
    private let make: @Sendable (RuleOptions) -> any AggregationRule
    package var description: String { name }

    /// What sets a rule apart.
    package enum Trait: Sendable {
      /// Refuses adapters of unequal ranks.
      case equalRanks
      /// Depends on the factors, not only on their product: clients must start alike.
      case commonParent
      /// Takes all clients alike: what a client claims of itself changes nothing.
      case ignoresWeights
      /// Refuses adapters that differ in the factor that was not trained.
      case commonFactor
      /// A value that is no number makes the result none: inputs need no check of their own.
      case spreadsNonFinite
      /// The result has the factors of the clients averaged place by place.
      case factorwise
      /// The result is Σ w_i x_i of factors: noise and masks can go with it.
      case linear
      /// The result's factors are Σ w_i x_i: what is left out can be told from the differences to them.
      case meanOfFactors
      /// Compares clients with one another: one or two cannot say who is right.
      case needsThree
      /// `--personal` gives a client of rank r the first r ranks of the result.
      case cutsForClients
      /// `--personal` gives a client its own B with the result's A.
      case keepsOwnB
      /// Averages DoRA's magnitudes too; the other rules refuse adapters that have them.
      case averagesMagnitudes
    }

    package init(
      _ name: String, _ summary: String, source: String, traits: Set<Trait> = [],
      options: [RuleOption] = [], make: @escaping @Sendable (RuleOptions) -> any AggregationRule
    ) {
      self.name = name
      self.summary = summary
      self.source = source
      self.traits = traits
      self.options = options
      self.make = make
    }

    package var needsEqualRanks: Bool { traits.contains(.equalRanks) }
    package var needsCommonParent: Bool { traits.contains(.commonParent) }
    package var ignoresWeights: Bool { traits.contains(.ignoresWeights) }

    /// The rule with these options.
    ///
    /// - Throws: ``AggregationError/unusedOption(_:rule:)``,
    ///   ``AggregationError/invalidOption(_:expected:)``.
    package func rule(_ options: RuleOptions) throws(AggregationError) -> any AggregationRule {
      try options.check(rule: name, takes: self.options)
      return make(options)
    }
  }

  package static let all: [Entry] = [
    FederatedAveraging.entry, Stacking.entry, SingularValues.entry, FederatedExact.entry,
    FrozenA.entry, Alternating.entry, NormClipping.entry, Krum.entry, MultiKrum.entry,
    GeometricMedian.entry, CoordinateMedian.entry, TrimmedMean.entry, Bulyan.entry,
    SharedA.entry, ZeroPadding.entry, SegmentMean.entry, RidgeCorrection.entry, Ties.entry,
    Dare.entry, NormalizedAveraging.entry,
  ]

  package static func entry(_ name: String) throws(AggregationError) -> Entry {
    guard let entry = all.first(where: { $0.name == name }) else { throw .unknownRule(name) }
    return entry
  }
}
