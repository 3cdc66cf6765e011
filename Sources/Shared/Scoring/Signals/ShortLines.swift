// SPDX-License-Identifier: Apache-2.0

/// Share of the lines of at most 30 scalars, for texts of two lines or more: a text that is one short
/// line is short, not bad. Source: FineWeb (Penedo et al. 2024), which drops a text above .67.
struct ShortLines: Signal {
  let name = "short_lines"
  let version = 1
  let families: [SignalFamily] = [.quality, .fineweb]
  let summary = "share of the lines of at most 30 characters"
  let range = 0.0...1.0
  private let ramp = Ramp(bad: 0.9, good: 0.5)

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.lines < 2 { return nil }
    return Double(text.shortLines) / Double(text.lines)
  }

  func quality(of value: Double) -> Double? { ramp(value) }
}
