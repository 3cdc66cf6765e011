// SPDX-License-Identifier: Apache-2.0

/// Share of the scalars that are letters or white space. Source: the alphanumeric filters of CCNet's
/// descendants; digits do not count here, so that tables and dumps of numbers stand out.
struct LettersAndSpaces: Signal {
  let name = "letters_and_spaces"
  let version = 1
  let families: [SignalFamily] = [.quality, .characters]
  let summary = "share of the characters that are letters or white space"
  let range = 0.0...1.0
  private let ramp = Ramp(bad: 0.6, good: 0.85)

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.words.isEmpty { return nil }
    return Double(text.letters + text.whitespace) / Double(text.characters)
  }

  func quality(of value: Double) -> Double? { ramp(value) }
}
