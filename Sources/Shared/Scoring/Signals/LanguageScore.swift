// SPDX-License-Identifier: Apache-2.0

/// How clearly a text is in one language; the language itself stands in `language` beside the signals.
/// Scripts with one main language are told by their letters; those of Latin, Cyrillic and Arabic script by
/// short lists of function words and letters (Documentation/scores.md, "Language").
struct LanguageScore: Signal {
  let name = "language_score"
  let version = 1
  let families: [SignalFamily] = [.language]
  let summary = "how clearly the text is in the language that is written beside it"
  let range = 0.0...1.0

  func value(of text: borrowing TextAnalysis) -> Double? { text.language.score }
}
