// SPDX-License-Identifier: Apache-2.0

/// Different words over words, those without a letter or number left out. Falls with the length.
struct TypeTokenRatio: Signal {
  let name = "ttr"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.lexical]
  let summary = "different words over words; falls with the length"

  func value(of text: borrowing TextAnalysis) -> Double? {
    text.collectCoreNames()
    let names = text.positions.names
    if names.isEmpty { return nil }
    text.table.reset(expecting: names.count)
    let types = names.count { text.table.add($0).count == 1 }
    return Double(types) / Double(names.count)
  }
}
