// SPDX-License-Identifier: Apache-2.0

/// Share of the lines that end in an end mark (closing quotes and brackets may follow it). Source:
/// FineWeb (Penedo et al. 2024), which drops a text below .12.
struct LineEndMarks: Signal {
  let name = "line_end_marks"
  let version = 1
  let families: [SignalFamily] = [.quality, .fineweb]
  let summary = "share of the lines that end in an end mark"
  let range = 0.0...1.0
  private let ramp = Ramp(bad: 0.05, good: 0.5)

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.lines == 0 { return nil }
    return Double(text.linesWithEndMark) / Double(text.lines)
  }

  func quality(of value: Double) -> Double? { ramp(value) }
}
