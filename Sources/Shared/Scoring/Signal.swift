// SPDX-License-Identifier: Apache-2.0

// Scoring: how long a record is and how good its text, by definitions that are published with test
// vectors (Documentation/scores.md). Signals measure the text; the quality Q joins them; the dual
// score D joins Q with the length score L. Likelihoods come through a protocol from whoever has a model.

/// A measure of a text. Those that say something about its quality whatever its length have a
/// `quality(of:)`; the others are for whoever reads the records.
///
/// Laws, checked for every entry of ``SignalCatalog``:
/// 1. Total: empty, one-word and very long texts have a value within `range`, or none.
/// 2. Deterministic: equal texts have equal values, whatever was measured before.
/// 3. `quality`, where there is one, lies in ``Ramp/floor``...1 for every value in `range`.
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
  /// The families that it belongs to beside `all`.
  var families: [SignalFamily] { get }
  /// One line for `--list-signals`.
  var summary: String { get }
  /// What the value says about the quality: ``Ramp/floor`` is bad, 1 is good; nil if nothing.
  func quality(of value: Double) -> Double?
}

/// Groups of signals that are chosen together.
package enum SignalFamily: String, Sendable, CaseIterable {
  /// The signals that quality is made of by default.
  case quality
  case gopher, c4, fineweb, repetition, lexical, readability, characters, lines, words, language
}

extension Signal {
  package func quality(of value: Double) -> Double? { nil }

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
  package static let all: [any Signal] = quality + gopher + c4 + fineWeb + repetition + lexical
    + readability + characters + lines + words + language

  /// What quality is made of by default.
  package static let quality: [any Signal] = [
    WordsWithLetter(), StopWords(), MeanWordLength(), SymbolsPerWord(), LettersAndSpaces(),
    RepeatedNGrams(), LineEndMarks(), ShortLines(), LexicalDiversity(),
  ]
  private static let gopher: [any Signal] = [
    GopherQuality(), GopherRepetition(), CommonWords(), HashesPerWord(), EllipsesPerWord(),
    BulletLines(), EllipsisLines(),
  ]
  private static let c4: [any Signal] = [C4Rules(), C4Lines(), LoremIpsum(), CurlyBrackets()]
  private static let fineWeb: [any Signal] = [FineWebRules(), LineBreaksPerWord()]
  private static let repetition: [any Signal] =
    [
      DuplicateLines(.lines), DuplicateLines(.paragraphs), DuplicateLines(.lineCharacters),
      DuplicateLines(.paragraphCharacters), CharacterRepetition(), WordRepetition(),
    ] + (2...4).map { TopNGram(n: $0) } + (5...10).map { DuplicateNGrams(n: $0) }
  private static let lexical: [any Signal] = [
    TypeTokenRatio(), MovingTypeTokenRatio(), HypergeometricDiversity(), DistinctNGrams(n: 2),
    DistinctNGrams(n: 3), UnigramEntropy(),
  ]
  private static let readability: [any Signal] = [
    FleschEase(), FleschKincaidGrade(), WordsPerSentence(), SyllablesPerWord(),
  ]
  private static let characters: [any Signal] = [
    CharacterShare(.alphanumeric), CharacterShare(.digits), CharacterShare(.uppercase),
    CharacterShare(.whitespace), CharacterShare(.special), CharacterShare(.parentheses),
    Compression(),
  ]
  private static let lines: [any Signal] = [MeanLineLength(), LongestLine()]
  private static let words: [any Signal] = [LongestWord(), CapitalWords(), LinkCharacters()]
  private static let language: [any Signal] = [LanguageScore()]

  /// The signals that `list` names: `none`, `all`, families or names, with commas between.
  ///
  /// - Throws: ``ScoringError/unknownSignal(name:)``.
  package static func select(_ list: String) throws(ScoringError) -> [any Signal] {
    if list == "none" { return [] }
    var wanted: Set<String> = []
    for part in list.split(separator: ",", omittingEmptySubsequences: false) {
      let name = String(part)
      let found = all.filter {
        name == "all" || $0.name == name || $0.id == name
          || $0.families.contains { $0.rawValue == name }
      }
      if found.isEmpty { throw .unknownSignal(name: name) }
      for signal in found { wanted.insert(signal.name) }
    }
    return all.filter { wanted.contains($0.name) }
  }
}
