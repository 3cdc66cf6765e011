// SPDX-License-Identifier: Apache-2.0


/// Of the 10-grams of characters, the share that the most frequent √k of the k different ones take, those
/// that occur once left out. Source: Data-Juicer's character_repetition_filter, limit .5.
struct CharacterRepetition: Signal {
  let name = "character_repetition"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.repetition]
  let summary = "share of the 10-grams of characters that the most frequent ones take"
  private static let n = 10

  func value(of text: borrowing TextAnalysis) -> Double? {
    let n = CharacterRepetition.n
    if text.characters < n { return nil }
    let table = text.table
    table.reset(expecting: text.characters)
    let slots = text.positions
    slots.slots.removeAll(keepingCapacity: true)
    text.withBytes { bytes in
      var window = [UInt64](repeating: 0, count: n)
      var (index, seen) = (0, 0)
      while index < bytes.count {
        window[seen % n] = UInt64(UTF8Scalars.next(bytes, &index))
        seen += 1
        if seen < n { continue }
        var name: UInt64 = 0
        for offset in seen - n..<seen { name = WordHash.extending(name, by: window[offset % n]) }
        slots.slots.append(Int32(table.add(name).slot))
      }
    }
    // Each n-gram once: the first time its slot comes by, its count is put into the list and taken away.
    var counts: [Int] = []
    for slot in slots.slots {
      let count = table.count(at: Int(slot))
      if count == 0 { continue }
      counts.append(count)
      while table.remove(at: Int(slot)) > 0 {}
    }
    counts.sort(by: >)
    let top = counts.prefix(Int(Double(counts.count).squareRoot())).filter { $0 > 1 }
    return Double(top.reduce(0, +)) / Double(slots.slots.count)
  }
}
