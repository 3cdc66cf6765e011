// SPDX-License-Identifier: Apache-2.0

/// HD-D (McCarthy and Jarvis 2007): the share of different words to expect in 42 words drawn from the
/// text without putting them back. None below 42 words.
///
/// A word that occurs k times among N is in the draw with 1 - C(N-k, 42) / C(N, 42); the value is the sum
/// over the different words, over 42.
struct HypergeometricDiversity: Signal {
  let name = "hdd"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.lexical]
  let summary = "share of different words to expect in 42 drawn"
  private static let draws = 42

  func value(of text: borrowing TextAnalysis) -> Double? {
    let draws = HypergeometricDiversity.draws
    text.collectCoreNames()
    let names = text.positions.names
    if names.count < draws { return nil }
    text.table.reset(expecting: names.count)
    let slots = names.map { text.table.add($0).slot }
    var chances: [Int: Double] = [:]
    var sum = 0.0
    for slot in slots {
      let count = text.table.count(at: slot)
      let chance: Double
      if let known = chances[count] {
        chance = known
      } else {
        var missing = 1.0
        for draw in 0..<draws where missing > 0 {
          missing *= Double(max(0, names.count - count - draw)) / Double(names.count - draw)
        }
        chance = 1 - missing
        chances[count] = chance
      }
      // Each of the word's occurrences adds its part.
      sum += chance / Double(count)
    }
    return min(1, sum / Double(draws))
  }
}
