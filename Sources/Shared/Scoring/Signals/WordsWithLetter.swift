// SPDX-License-Identifier: Apache-2.0

/// Share of the words that have a letter. Source: Gopher (Rae et al. 2021, table A1), which asks for .8.
struct WordsWithLetter: Signal {
  let name = "words_with_letter"
  let version = 1
  let families: [SignalFamily] = [.quality, .gopher]
  let summary = "share of the words that have a letter"
  let range = 0.0...1.0
  private let ramp = Ramp(bad: 0.5, good: 0.8)

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.words.isEmpty { return nil }
    var count = 0
    for word in text.words where word.hasLetter { count += 1 }
    return Double(count) / Double(text.words.count)
  }

  func quality(of value: Double) -> Double? { ramp(value) }
}
