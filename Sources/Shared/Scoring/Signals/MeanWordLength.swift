// SPDX-License-Identifier: Apache-2.0

/// Mean number of scalars of a word. Source: Gopher (Rae et al. 2021, table A1), which asks for 3 to
/// 10; here the quality falls to the floor at 2 and at 15.
struct MeanWordLength: Signal {
  let name = "mean_word_length"
  let version = 1
  let families: [SignalFamily] = [.quality, .gopher]
  let summary = "characters of a word"
  let range = 1.0...Double.greatestFiniteMagnitude
  private let low = Ramp(bad: 2, good: 3)
  private let high = Ramp(bad: 15, good: 10)

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.words.isEmpty { return nil }
    return Double(text.characters - text.whitespace) / Double(text.words.count)
  }

  func quality(of value: Double) -> Double? { min(low(value), high(value)) }
}
