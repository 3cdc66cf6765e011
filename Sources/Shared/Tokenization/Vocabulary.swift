// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Tokens and their ids: UTF-8 bytes to id and back.
///
/// Keys are bytes, never `String`, whose equality is canonical equivalence and would fuse tokens.
/// All tokens lie in one arena; lookup is by an open-addressing table of ids. Ids may have gaps.
package struct Vocabulary: Sendable {
  /// Ids lie below this; guards memory against a hostile id.
  package static let idLimit = 1 << 24

  private var arena: [UInt8] = []
  /// Where each id's token starts in `arena`.
  private var starts: [UInt32] = []
  /// Bytes of each id's token; -1 where no token has this id.
  private var lengths: [Int32] = []
  /// Ids, or -1 for an empty slot. The count is a power of two, at most half full.
  private var slots: [Int32]
  private var tokenCount = 0

  /// - Parameter expectedCount: how many tokens to make room for.
  package init(expectedCount: Int = 0) {
    let expected = min(max(expectedCount, 0), Vocabulary.idLimit)
    starts.reserveCapacity(expected)
    lengths.reserveCapacity(expected)
    arena.reserveCapacity(expected * 8)
    slots = [Int32](repeating: -1, count: Vocabulary.slotCount(for: expected))
  }

  /// The highest id plus one.
  package var size: Int { starts.count }

  /// Why ``insert(_:id:)`` refused a token.
  package enum InsertionError: Error {
    /// The token or its id is there already.
    case duplicate
    case idOutOfRange
  }

  package mutating func insert(
    _ token: UnsafeRawBufferPointer, id: Int
  ) throws(InsertionError) {
    guard id >= 0, id < Vocabulary.idLimit, arena.count + token.count < Int(UInt32.max) else {
      throw .idOutOfRange
    }
    if id < lengths.count, lengths[id] >= 0 { throw .duplicate }
    if tokenCount * 2 >= slots.count { rehash(count: slots.count * 2) }
    let slot = find(token)
    if slots[slot] >= 0 { throw .duplicate }
    while lengths.count <= id {
      starts.append(0)
      lengths.append(-1)
    }
    starts[id] = UInt32(arena.count)
    lengths[id] = Int32(token.count)
    arena.append(contentsOf: token)
    slots[slot] = Int32(id)
    tokenCount += 1
  }

  /// The id of a token, or nil.
  package func id(of token: UnsafeRawBufferPointer) -> Int32? {
    let id = slots[find(token)]
    return id >= 0 ? id : nil
  }

  package func id(of token: String) -> Int32? {
    var token = token
    return token.withUTF8 { id(of: UnsafeRawBufferPointer($0)) }
  }

  /// The bytes of an id's token, or nil if no token has this id.
  package func bytes(of id: Int) -> ArraySlice<UInt8>? {
    guard id >= 0, id < lengths.count, lengths[id] >= 0 else { return nil }
    let start = Int(starts[id])
    return arena[start..<start + Int(lengths[id])]
  }

  /// Calls `body` with each id and its token's bytes, ids ascending.
  func forEach(_ body: (Int32, UnsafeBufferPointer<UInt8>) -> Void) {
    arena.withUnsafeBufferPointer { arena in
      for id in lengths.indices where lengths[id] >= 0 {
        let start = Int(starts[id])
        body(Int32(id), UnsafeBufferPointer(rebasing: arena[start..<start + Int(lengths[id])]))
      }
    }
  }

  /// The slot that holds `token`, or the empty one where it belongs.
  private func find(_ token: UnsafeRawBufferPointer) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: ByteHash.hash(token)) & mask
    while slots[slot] >= 0, !matches(Int(slots[slot]), token) { slot = (slot + 1) & mask }
    return slot
  }

  private func matches(_ id: Int, _ token: UnsafeRawBufferPointer) -> Bool {
    guard Int(lengths[id]) == token.count else { return false }
    guard let found = token.baseAddress, token.count > 0 else { return true }
    let start = Int(starts[id])
    return arena.withUnsafeBytes { arena in
      guard let base = arena.baseAddress else { return false }
      return memcmp(base + start, found, token.count) == 0
    }
  }

  private mutating func rehash(count: Int) {
    slots = [Int32](repeating: -1, count: count)
    let mask = count - 1
    arena.withUnsafeBytes { bytes in
      for id in lengths.indices where lengths[id] >= 0 {
        let start = Int(starts[id])
        let token = UnsafeRawBufferPointer(rebasing: bytes[start..<start + Int(lengths[id])])
        var slot = Int(truncatingIfNeeded: ByteHash.hash(token)) & mask
        while slots[slot] >= 0 { slot = (slot + 1) & mask }
        slots[slot] = Int32(id)
      }
    }
  }

  private static func slotCount(for tokens: Int) -> Int {
    var count = 16
    while count < tokens * 2 + 2 { count *= 2 }
    return count
  }
}

/// A hash of short byte strings: eight bytes at a time, multiplied and folded.
///
/// The seed is fixed: a vocabulary is read from one file, and results never depend on slot order.
enum ByteHash {
  @inline(__always)
  static func mix(_ value: UInt64, _ factor: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: factor)
    return product.high ^ product.low
  }

  static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(truncatingIfNeeded: bytes.count)
    var offset = 0
    while offset + 8 <= bytes.count {
      state = mix(
        state ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self),
        0xa076_1d64_78bd_642f)
      offset += 8
    }
    var tail: UInt64 = 0
    while offset < bytes.count {
      tail = tail << 8 | UInt64(bytes[offset])
      offset += 1
    }
    return mix(state ^ tail, 0xe703_7ed1_a0b4_28db)
  }
}
