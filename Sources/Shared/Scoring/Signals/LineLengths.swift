// SPDX-License-Identifier: Apache-2.0

/// Mean number of scalars of a line. Source: Data-Juicer, at least 10.
struct MeanLineLength: Signal {
  let name = "mean_line_length"
  let version = 1
  let range = 1.0...Double.greatestFiniteMagnitude
  let families: [SignalFamily] = [.lines]
  let summary = "characters of a line"

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.lines == 0 { return nil }
    return Double(text.lineList.reduce(0) { $0 + Int($1.scalars) }) / Double(text.lines)
  }
}

/// Scalars of the longest line. Source: Data-Juicer.
struct LongestLine: Signal {
  let name = "longest_line"
  let version = 1
  let range = 1.0...Double.greatestFiniteMagnitude
  let families: [SignalFamily] = [.lines]
  let summary = "characters of the longest line"

  func value(of text: borrowing TextAnalysis) -> Double? {
    text.lineList.map(\.scalars).max().map(Double.init)
  }
}
