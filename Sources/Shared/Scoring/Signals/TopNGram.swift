// SPDX-License-Identifier: Apache-2.0

/// The share of the scalars of all words that the most repeated n-gram takes with all its occurrences;
/// 0 if none occurs twice. Source: Gopher (Rae et al. 2021, table A1), limits .20, .18, .16 for n = 2, 3, 4;
/// departures as in ``RepeatedNGrams``.
struct TopNGram: Signal {
  let n: Int
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.repetition, .gopher]

  var name: String { "top_\(n)_gram" }
  var summary: String { "share of the words' characters in the most repeated \(n)-gram" }

  func value(of text: borrowing TextAnalysis) -> Double? {
    text.words.isEmpty ? nil : RepeatedNGrams.shares(of: text)[n - 2]
  }
}
