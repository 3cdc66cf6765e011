// SPDX-License-Identifier: Apache-2.0

/// Remembers the tokens of short pieces, which in real text are mostly the same few thousand words.
///
/// Direct-mapped: a piece of up to ``longestPiece`` bytes with up to four tokens has one slot, and
/// a newcomer takes it over. The memory is fixed (1 MiB) whatever the text. One thread at a time.
final class PieceCache {
  static let longestPiece = 15
  private static let slotCount = 1 << 15

  /// A piece of up to 15 bytes and its length in the topmost byte.
  struct Key: Equatable {
    var low: UInt64
    var high: UInt64

    init(low: UInt64, high: UInt64) {
      self.low = low
      self.high = high
    }

    /// - Parameters:
    ///   - start: the piece's first byte.
    ///   - count: its bytes, 1 to ``PieceCache/longestPiece``.
    ///   - readable: bytes that may be read from `start` on.
    @inline(__always)
    init(_ start: UnsafePointer<UInt8>, count: Int, readable: Int) {
      let raw = UnsafeRawPointer(start)
      low = 0
      high = 0
      if readable >= 16 {
        low = raw.loadUnaligned(as: UInt64.self)
        high = raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        if count < 8 {
          low &= (1 << UInt64(truncatingIfNeeded: count &* 8)) &- 1
          high = 0
        } else {
          high &= (1 << UInt64(truncatingIfNeeded: (count &- 8) &* 8)) &- 1
        }
      } else {
        for index in 0..<min(count, 8) { low |= UInt64(start[index]) << UInt64(index * 8) }
        for index in 8..<max(count, 8) { high |= UInt64(start[index]) << UInt64(index * 8 - 64) }
      }
      high |= UInt64(count) << 56
    }

    @inline(__always)
    var hash: UInt64 {
      ByteHash.mix(low ^ 0x9e37_79b9_7f4a_7c15, high ^ 0xe703_7ed1_a0b4_28db)
    }
  }

  private struct Slot {
    var key: Key
    /// Up to four tokens; unused places are -1.
    var tokens: SIMD4<Int32>
  }

  private let slots: UnsafeMutablePointer<Slot>

  init() {
    slots = .allocate(capacity: PieceCache.slotCount)
    // No piece has length 0, so the empty key equals none.
    slots.initialize(
      repeating: Slot(key: Key(low: 0, high: 0), tokens: SIMD4(repeating: -1)),
      count: PieceCache.slotCount)
  }

  deinit { slots.deallocate() }

  /// Appends the tokens of a piece to `output` if they are remembered.
  @inline(__always)
  func append(_ key: Key, to output: inout [Int32]) -> Bool {
    let slot = slots + Int(truncatingIfNeeded: key.hash & UInt64(PieceCache.slotCount - 1))
    guard slot.pointee.key == key else { return false }
    let tokens = slot.pointee.tokens
    output.append(tokens[0])
    if tokens[1] >= 0 {
      output.append(tokens[1])
      if tokens[2] >= 0 {
        output.append(tokens[2])
        if tokens[3] >= 0 { output.append(tokens[3]) }
      }
    }
    return true
  }

  /// Remembers 1 to 4 tokens of a piece; other numbers are not remembered.
  func remember(_ key: Key, _ tokens: ArraySlice<Int32>) {
    guard tokens.count >= 1, tokens.count <= 4 else { return }
    var values = SIMD4<Int32>(repeating: -1)
    for (index, token) in tokens.enumerated() { values[index] = token }
    let slot = slots + Int(truncatingIfNeeded: key.hash & UInt64(PieceCache.slotCount - 1))
    slot.pointee = Slot(key: key, tokens: values)
  }
}
