// SPDX-License-Identifier: Apache-2.0

/// The share of the scalars of all words that lie in an n-gram of words that occurred before, each
/// word counted once. Source: Gopher (Rae et al. 2021, table A1), limits .15 .14 .13 .12 .11 .10 for
/// n = 5…10; departures as in ``RepeatedNGrams``.
struct DuplicateNGrams: Signal {
  let n: Int
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.repetition, .gopher]

  var name: String { "duplicate_\(n)_grams" }
  var summary: String { "share of the words' characters in \(n)-grams that occurred before" }

  func value(of text: borrowing TextAnalysis) -> Double? {
    text.words.isEmpty ? nil : RepeatedNGrams.shares(of: text)[n - 2]
  }
}
