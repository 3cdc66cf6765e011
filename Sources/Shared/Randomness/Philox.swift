// SPDX-License-Identifier: Apache-2.0

// Randomness: everything random in the toolkit. A seed names independent streams; a stream is a
// counter-based generator; draws use only IEEE arithmetic, so that the same seed gives the same
// numbers on every machine and for ever. Nothing here reads a clock, a process id or a device.

/// The counter-based generator Philox4x32-10.
///
/// A block of four 32-bit words is a bijection of (counter, key), so any position of the stream is
/// reached in constant time. The stream of a generator is block 0, block 1, … in order, each block
/// from its first word to its last.
///
/// Source: Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011);
/// known-answer vectors of the Random123 library.
package struct Philox: RandomNumberGenerator, Sendable, Equatable {
  private let key: SIMD2<UInt32>
  /// The upper half of the counter: which of the 2^64 streams of this key.
  private let stream: SIMD2<UInt32>
  private var block = SIMD4<UInt32>(repeating: 0)
  private var drawn: UInt64 = 0

  /// Number of 32-bit words drawn so far. Setting it moves to any place of the stream.
  package var position: UInt64 {
    get { drawn }
    set {
      drawn = newValue
      if drawn & 3 != 0 { block = blockValue(drawn >> 2) }
    }
  }

  /// The stream that `key` and `stream` name, at its start.
  package init(key: UInt64, stream: UInt64 = 0) {
    self.key = Philox.halves(key)
    self.stream = Philox.halves(stream)
  }

  /// The next 32 bits.
  package mutating func nextWord() -> UInt32 {
    let lane = Int(drawn & 3)
    if lane == 0 { block = blockValue(drawn >> 2) }
    drawn &+= 1
    return block[lane]
  }

  /// The next 64 bits: two words, the first one in the low half.
  package mutating func next() -> UInt64 {
    let low = UInt64(nextWord())
    return low | UInt64(nextWord()) << 32
  }

  /// The first 64 bits of block `index`, wherever the stream stands: a random number that belongs to
  /// `index` alone.
  package func number(at index: UInt64) -> UInt64 {
    let block = blockValue(index)
    return UInt64(block[0]) | UInt64(block[1]) << 32
  }

  /// Ten rounds of Philox4x32 on one counter.
  package static func block(
    counter: SIMD4<UInt32>, key: SIMD2<UInt32>
  ) -> SIMD4<UInt32> {
    var counter = counter
    var key = key
    for round in 0..<10 {
      if round > 0 { key &+= SIMD2(0x9e37_79b9, 0xbb67_ae85) }
      let first = UInt64(counter[0]) * 0xd251_1f53
      let second = UInt64(counter[2]) * 0xcd9e_8d57
      counter = SIMD4(
        UInt32(truncatingIfNeeded: second >> 32) ^ counter[1] ^ key[0],
        UInt32(truncatingIfNeeded: second),
        UInt32(truncatingIfNeeded: first >> 32) ^ counter[3] ^ key[1],
        UInt32(truncatingIfNeeded: first))
    }
    return counter
  }

  package static func == (left: Philox, right: Philox) -> Bool {
    left.key == right.key && left.stream == right.stream && left.drawn == right.drawn
  }

  private func blockValue(_ index: UInt64) -> SIMD4<UInt32> {
    let low = Philox.halves(index)
    return Philox.block(counter: SIMD4(low[0], low[1], stream[0], stream[1]), key: key)
  }

  private static func halves(_ value: UInt64) -> SIMD2<UInt32> {
    SIMD2(UInt32(truncatingIfNeeded: value), UInt32(truncatingIfNeeded: value >> 32))
  }
}
