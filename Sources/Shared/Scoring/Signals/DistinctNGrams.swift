// SPDX-License-Identifier: Apache-2.0

/// Different n-grams of words over n-grams (Li et al. 2016, "distinct-n"). Falls with the length.
struct DistinctNGrams: Signal {
  let n: Int
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.lexical]

  var name: String { "distinct_\(n)" }
  var summary: String { "different \(n)-grams of words over \(n)-grams" }

  func value(of text: borrowing TextAnalysis) -> Double? {
    text.collectCoreNames()
    let names = text.positions.names
    if names.count < n { return nil }
    let count = names.count - n + 1
    text.table.reset(expecting: count)
    var types = 0
    for start in 0..<count {
      var name: UInt64 = 0
      for word in names[start..<start + n] { name = WordHash.extending(name, by: word) }
      if text.table.add(name).count == 1 { types += 1 }
    }
    return Double(types) / Double(count)
  }
}
