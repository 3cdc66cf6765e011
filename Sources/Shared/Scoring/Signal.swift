// SPDX-License-Identifier: Apache-2.0

// Scoring: how long a record is and how good its text, by definitions that are published with test
// vectors (Documentation/scores.md). Signals measure the text; the quality Q joins them; the dual
// score D joins Q with the length score L. Likelihoods come through a protocol from whoever has a model.

/// A measure of a text that tells good text from bad, whatever its length.
///
/// Laws, checked for every entry of ``SignalCatalog``:
/// 1. Total: empty, one-word and very long texts have a value within `range`, or none.
/// 2. Deterministic: equal texts have equal values, whatever was measured before.
/// 3. `quality` lies in ``Ramp/floor``...1 for every value in `range`.
/// 4. Linear in the length of the text.
package protocol Signal: Sendable {
  /// Name in records and on the command line, for example `stop_words`.
  var name: String { get }
  /// Raised when the definition changes.
  var version: Int { get }
  /// The values that can occur.
  var range: ClosedRange<Double> { get }
  /// The value, or nil where the text is too short for the signal to mean anything.
  func value(of text: borrowing TextAnalysis) -> Double?
  /// What the value says about the quality: ``Ramp/floor`` is bad, 1 is good.
  func quality(of value: Double) -> Double
}

extension Signal {
  /// Name and version, for example `stop_words/1`.
  package var id: String { "\(name)/\(version)" }
}

/// A straight line from a bad value to a good one, cut off at ``floor`` and 1.
package struct Ramp: Sendable {
  /// No single signal can bring the quality to zero.
  package static let floor = 0.02

  let bad: Double
  let good: Double

  package init(bad: Double, good: Double) {
    self.bad = bad
    self.good = good
  }

  package func callAsFunction(_ value: Double) -> Double {
    min(1, max(Ramp.floor, (value - bad) / (good - bad)))
  }
}

/// All signals, in the order of output. A new one is a file under Signals/ and a line here.
package enum SignalCatalog {
  package static let all: [any Signal] = [
    WordsWithLetter(),
    StopWords(),
    MeanWordLength(),
    SymbolsPerWord(),
    LettersAndSpaces(),
    RepeatedNGrams(),
    LineEndMarks(),
    ShortLines(),
    LexicalDiversity(),
  ]

  /// The signals that `list` names: `all`, `none`, or names with commas between.
  ///
  /// - Throws: ``ScoringError/unknownSignal(name:)``.
  package static func select(_ list: String) throws(ScoringError) -> [any Signal] {
    if list == "all" { return all }
    if list == "none" { return [] }
    var wanted: Set<String> = []
    for part in list.split(separator: ",", omittingEmptySubsequences: false) {
      let name = String(part)
      guard let signal = all.first(where: { $0.name == name || $0.id == name }) else {
        throw .unknownSignal(name: name)
      }
      wanted.insert(signal.name)
    }
    return all.filter { wanted.contains($0.name) }
  }
}
