// SPDX-License-Identifier: Apache-2.0

/// The guarantee that an adapter's metadata states (`privacy` in Documentation/formats/adapters.md).
package struct PrivacyClaim: Sendable, Equatable {
  /// Whose presence is hidden: `record` or `client`.
  package let unit: String
  package let epsilon: Double
  package let delta: Double

  package init(unit: String, epsilon: Double, delta: Double) {
    self.unit = unit
    self.epsilon = epsilon
    self.delta = delta
  }

  /// Reads `UNIT-level, epsilon E at delta D …`; nil for other words.
  package init?(_ text: String) {
    let words = text.split(whereSeparator: { " ,;:".contains($0) })
    guard words.count >= 6, words[0].hasSuffix("-level"), words[1] == "epsilon",
      let epsilon = Double(words[2]), words[3] == "at", words[4] == "delta",
      let delta = Double(words[5]), epsilon >= 0, delta >= 0
    else { return nil }
    self.init(unit: String(words[0].dropLast(6)), epsilon: epsilon, delta: delta)
  }

  package var text: String { "\(unit)-level, epsilon \(epsilon) at delta \(delta)" }

  /// What holds for all of several adapters together, where no record or client is in two of them;
  /// nil unless every one has a guarantee for the same unit.
  package static func weakest(of claims: [PrivacyClaim?]) -> PrivacyClaim? {
    let known = claims.compactMap(\.self)
    guard let first = known.first, known.count == claims.count,
      known.allSatisfy({ $0.unit == first.unit })
    else { return nil }
    return PrivacyClaim(
      unit: first.unit, epsilon: known.map(\.epsilon).max() ?? first.epsilon,
      delta: known.map(\.delta).max() ?? first.delta)
  }
}
