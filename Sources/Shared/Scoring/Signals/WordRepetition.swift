// SPDX-License-Identifier: Apache-2.0

/// The share of the 10-grams of words whose like occurs more than once. Source: Data-Juicer's
/// word_repetition_filter, limit .5; here over normalised words.
struct WordRepetition: Signal {
  let name = "word_repetition"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.repetition]
  let summary = "share of the 10-grams of words that occur more than once"
  private static let n = 10

  func value(of text: borrowing TextAnalysis) -> Double? {
    let n = WordRepetition.n
    if text.words.count < n { return nil }
    let count = text.words.count - n + 1
    text.table.reset(expecting: count)
    text.positions.slots.removeAll(keepingCapacity: true)
    for start in 0..<count {
      var name: UInt64 = 0
      for word in text.words[start..<start + n] { name = WordHash.extending(name, by: word.name) }
      text.positions.slots.append(Int32(text.table.add(name).slot))
    }
    let repeated = text.positions.slots.count { text.table.count(at: Int($0)) > 1 }
    return Double(repeated) / Double(count)
  }
}
