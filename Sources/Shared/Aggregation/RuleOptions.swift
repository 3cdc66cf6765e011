// SPDX-License-Identifier: Apache-2.0

/// An option that only some rules have; the raw value is its name on the command line.
package enum RuleOption: String, Sendable, CaseIterable {
  case rank
  case energy
  case hostile
  case keep
  case trim
  case clipNorm = "clip-norm"
  case parent
  case residual
  case density
  case ridge
  case personal
}

/// What the user asked of a rule; nil is the rule's own default.
package struct RuleOptions: Sendable, Equatable {
  /// Rank of the result.
  package var rank: Int?
  /// Share of each module's ‖update‖² to keep, in (0, 1].
  package var energy: Double?
  /// Hostile clients that the rule must withstand.
  package var hostile: Int?
  /// Clients that `multi-krum` keeps.
  package var keep: Int?
  /// Share of the clients that `trimmed-mean` drops at each side, in [0, 0.5).
  package var trim: Double?
  /// Norm that `clip` allows.
  package var clipNorm: Double?
  /// Share of the values that `ties` and `dare` keep, in (0, 1].
  package var density: Double?
  /// λ of `fair`, above 0.
  package var ridge: Double?
  /// Root of what is drawn at random.
  package var seed: UInt64 = 1

  package init() {}

  /// Those that are set.
  private var used: [RuleOption] {
    let all: [(RuleOption, Bool)] = [
      (.rank, rank != nil), (.energy, energy != nil), (.hostile, hostile != nil),
      (.keep, keep != nil), (.trim, trim != nil), (.clipNorm, clipNorm != nil),
      (.density, density != nil), (.ridge, ridge != nil),
    ]
    return all.filter(\.1).map(\.0)
  }

  /// - Throws: ``AggregationError/unusedOption(_:rule:)``,
  ///   ``AggregationError/invalidOption(_:expected:)``.
  func check(rule: String, takes options: [RuleOption]) throws(AggregationError) {
    for option in used where !options.contains(option) {
      throw .unusedOption(option, rule: rule)
    }
    func demand(
      _ option: RuleOption, _ isValid: Bool, _ expected: String
    ) throws(AggregationError) {
      if !isValid { throw .invalidOption(option, expected: expected) }
    }
    try demand(.rank, (1...65536).contains(rank ?? 1), "a number in 1...65536")
    try demand(.energy, energy.map { $0 > 0 && $0 <= 1 } ?? true, "a number in (0, 1]")
    try demand(.hostile, (hostile ?? 0) >= 0, "a number from 0")
    try demand(.keep, (keep ?? 1) >= 1, "a number from 1")
    try demand(.trim, trim.map { $0 >= 0 && $0 < 0.5 } ?? true, "a number in [0, 0.5)")
    try demand(.density, density.map { $0 > 0 && $0 <= 1 } ?? true, "a number in (0, 1]")
    try demand(.ridge, ridge.map { $0 > 0 && $0.isFinite } ?? true, "a finite number above 0")
    try demand(
      .clipNorm, clipNorm.map { $0 > 0 && $0.isFinite } ?? true, "a finite number above 0")
  }
}
