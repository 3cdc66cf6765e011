// SPDX-License-Identifier: Apache-2.0

/// Counts of n-grams and of what follows them, from which a ``BackoffTable`` is made.
///
/// Probabilities are those of Witten and Bell (1991): with c(h) symbols seen after a context h, k(h)
/// different ones among them, and h' the context without its first symbol,
///
///     p(w | h) = (c(hw) + k(h) · p(w | h')) / (c(h) + k(h))
final class NGramCounts {
  struct Entry {
    var name: UInt64 = 0
    /// Occurrences; 0 is an empty slot.
    var count: UInt32 = 0
    /// Symbols that followed, and how many different ones.
    var followers: UInt32 = 0
    var kinds: UInt32 = 0
    /// p of the last symbol after the others; negative until it is known.
    var probability: Float = -1

    /// k / (c + k): what is left for symbols that never followed.
    var rest: Double {
      followers == 0 ? 1 : Double(kinds) / (Double(followers) + Double(kinds))
    }
  }

  /// No more different n-grams than this are kept: 24 bytes each.
  private let limit: Int
  private var entries: UnsafeMutableBufferPointer<Entry>
  private(set) var used = 0

  init(limit: Int = 6_000_000) {
    self.limit = limit
    entries = .allocate(capacity: 1 << 16)
    entries.initialize(repeating: Entry())
  }

  deinit { entries.deallocate() }

  /// Index of the entry of `name`, or of the empty slot for it.
  @inline(__always)
  private func slot(_ name: UInt64) -> Int {
    let mask = entries.count &- 1
    var slot = Int(truncatingIfNeeded: name) & mask
    while entries[slot].count != 0 && entries[slot].name != name { slot = (slot &+ 1) & mask }
    return slot
  }

  /// Counts `name` once more, as something that followed `context`.
  func add(_ name: UInt64, after context: UInt64?) {
    var index = slot(name)
    let isNew = entries[index].count == 0
    if isNew {
      if used >= limit { return }
      if 2 * (used + 1) > entries.count {
        grow()
        index = slot(name)
      }
      entries[index].name = name
      used += 1
    }
    entries[index].count &+= 1
    guard let context else { return }
    let before = slot(context)
    if entries[before].count == 0 { return }
    entries[before].followers &+= 1
    if isNew { entries[before].kinds &+= 1 }
  }

  func entry(_ name: UInt64) -> Entry? {
    let found = entries[slot(name)]
    return found.count == 0 ? nil : found
  }

  /// The probability of the last symbol of `name`, computed when it is asked for the first time.
  ///
  /// - Parameter shorter: p(w | h').
  /// - Returns: nil if the n-gram or its context was not seen.
  func probability(_ name: UInt64, after context: UInt64, shorter: Double) -> Double? {
    let index = slot(name)
    if entries[index].count == 0 { return nil }
    if entries[index].probability >= 0 { return Double(entries[index].probability) }
    guard let before = entry(context), before.followers > 0 else { return nil }
    let kinds = Double(before.kinds)
    let value =
      (Double(entries[index].count) + kinds * shorter) / (Double(before.followers) + kinds)
    entries[index].probability = Float(value)
    return Double(Float(value))
  }

  /// Every entry, in the order of the slots: the same for the same counts in the same order.
  func forEach(_ body: (Entry) -> Void) {
    for entry in entries where entry.count != 0 { body(entry) }
  }

  private func grow() {
    let old = entries
    entries = .allocate(capacity: 2 * old.count)
    entries.initialize(repeating: Entry())
    for entry in old where entry.count != 0 { entries[slot(entry.name)] = entry }
    old.deallocate()
  }
}
