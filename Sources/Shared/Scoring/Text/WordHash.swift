// SPDX-License-Identifier: Apache-2.0

/// A 64-bit name for a word or a run of words: FNV-1a over the scalars, then a mixing step. Equal text
/// gives equal names; that two different words share one is improbable enough (1 in 2^64 a pair) to
/// be passed over. The seed is fixed, so that results never differ between runs.
struct WordHash {
  private(set) var state: UInt64 = 0xcbf2_9ce4_8422_2325

  @inline(__always)
  mutating func add(_ scalar: UInt32) {
    state = (state ^ UInt64(scalar)) &* 0x0000_0100_0000_01b3
  }

  @inline(__always)
  var value: UInt64 { WordHash.mix(state) }

  /// The finishing step of SplitMix64 (Steele, Lea and Flood 2014).
  @inline(__always)
  static func mix(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// The name of a run of words that is one word longer.
  @inline(__always)
  static func extending(_ run: UInt64, by word: UInt64) -> UInt64 {
    mix((run << 1 | run >> 63) ^ word)
  }

  /// The name of a word that is in its normalised form already.
  static func of(_ word: String) -> UInt64 {
    var hash = WordHash()
    for scalar in word.unicodeScalars { hash.add(scalar.value) }
    return hash.value
  }
}

/// A fixed set of words, asked by name.
struct WordSet: Sendable {
  private let names: [UInt64]
  private let mask: Int

  init(_ words: [String]) { self.init(names: words.map(WordHash.of)) }

  init(names list: [UInt64]) {
    var capacity = 16
    while capacity < 4 * list.count { capacity *= 2 }
    mask = capacity - 1
    var names = [UInt64](repeating: 0, count: capacity)
    for name in list {
      var slot = Int(truncatingIfNeeded: name) & mask
      while names[slot] != 0 && names[slot] != name { slot = (slot + 1) & mask }
      names[slot] = name
    }
    self.names = names
  }

  func contains(_ name: UInt64) -> Bool {
    var slot = Int(truncatingIfNeeded: name) & mask
    while names[slot] != 0 {
      if names[slot] == name { return true }
      slot = (slot + 1) & mask
    }
    return false
  }
}
