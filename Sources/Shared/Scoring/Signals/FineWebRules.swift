// SPDX-License-Identifier: Apache-2.0

/// 1 if the text passes FineWeb's own rules (Penedo et al. 2024) as this toolkit reads them, else 0:
/// ``LineEndMarks`` at least .12; ``ShortLines`` at most .67 (a single line passes); ``DuplicateLines`` at most
/// .01 of the lines' scalars; ``LineBreaksPerWord`` at most .3.
struct FineWebRules: Signal {
  let name = "fineweb"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.fineweb]
  let summary = "1 if FineWeb's rules let the text pass, else 0"

  func value(of text: borrowing TextAnalysis) -> Double? {
    guard let ends = LineEndMarks().value(of: text), ends >= 0.12,
      let repeated = DuplicateLines(.lineCharacters).value(of: text), repeated <= 0.01,
      let breaks = LineBreaksPerWord().value(of: text), breaks <= 0.3
    else { return 0 }
    if let short = ShortLines().value(of: text), short > 0.67 { return 0 }
    return 1
  }
}
