// SPDX-License-Identifier: Apache-2.0

/// The moving-average type-token ratio (Covington and McFall 2010): the mean of ``TypeTokenRatio`` over
/// all windows of 50 words. None below 50.
struct MovingTypeTokenRatio: Signal {
  let name = "mattr"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.lexical]
  let summary = "mean share of different words in windows of 50"
  private static let window = 50

  func value(of text: borrowing TextAnalysis) -> Double? {
    let window = MovingTypeTokenRatio.window
    text.collectCoreNames()
    let names = text.positions.names
    if names.count < window { return nil }
    let table = text.table
    table.reset(expecting: names.count)
    var slots: [Int] = []
    slots.reserveCapacity(names.count)
    var (types, sum) = (0, 0)
    for (index, name) in names.enumerated() {
      let (slot, count) = table.add(name)
      slots.append(slot)
      if count == 1 { types += 1 }
      if index >= window, table.remove(at: slots[index - window]) == 0 { types -= 1 }
      if index >= window - 1 { sum += types }
    }
    return Double(sum) / Double(window * (names.count - window + 1))
  }
}
