// SPDX-License-Identifier: Apache-2.0

/// Occurrences of `#`, of `…` and of `...` for each word. Source: Gopher (Rae et al. 2021, table A1),
/// which allows .1 of each; here they are added up.
struct SymbolsPerWord: Signal {
  let name = "symbols_per_word"
  let version = 1
  let families: [SignalFamily] = [.quality]
  let summary = "#, … and ... for each word"
  let range = 0.0...Double.greatestFiniteMagnitude
  private let ramp = Ramp(bad: 0.15, good: 0.03)

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.words.isEmpty { return nil }
    return Double(text.symbols) / Double(text.words.count)
  }

  func quality(of value: Double) -> Double? { ramp(value) }
}
