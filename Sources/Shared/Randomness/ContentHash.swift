// SPDX-License-Identifier: Apache-2.0

/// A 64-bit hash of bytes as they pass: XXH64 with seed 0.
///
/// Names a record by its content, fast and the same on every machine. It is no digest: whoever
/// wants to can find two contents with the same hash, which then only means the same treatment.
/// Source: Collet: xxHash fast digest algorithm (specification, version 0.1.1).
package struct ContentHash: Sendable {
  private static let prime1: UInt64 = 0x9e37_79b1_85eb_ca87
  private static let prime2: UInt64 = 0xc2b2_ae3d_27d4_eb4f
  private static let prime3: UInt64 = 0x1656_67b1_9e37_79f9
  private static let prime4: UInt64 = 0x85eb_ca77_c2b2_ae63
  private static let prime5: UInt64 = 0x27d4_eb2f_1656_67c5

  private var lanes = SIMD4<UInt64>(
    prime1 &+ prime2, prime2, 0, 0 &- prime1)
  private var pending: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  private var pendingCount = 0
  private var total: UInt64 = 0

  package init() {}

  package static func hash(of bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash = ContentHash()
    hash.update(bytes)
    return hash.value()
  }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes
    total &+= UInt64(bytes.count)
    if pendingCount > 0 {
      let taken = min(32 - pendingCount, rest.count)
      let (start, head) = (pendingCount, rest[..<taken])
      withUnsafeMutableBytes(of: &pending) { buffer in
        buffer[start..<start + taken].copyBytes(from: head)
      }
      pendingCount += taken
      rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
      if pendingCount < 32 { return }
      let full = pending
      withUnsafeBytes(of: full) { consume($0) }
      pendingCount = 0
    }
    let whole = rest.count & ~31
    if whole > 0 { consume(UnsafeRawBufferPointer(rebasing: rest[..<whole])) }
    let tail = rest[whole...]
    if !tail.isEmpty {
      withUnsafeMutableBytes(of: &pending) { buffer in
        buffer[..<tail.count].copyBytes(from: tail)
      }
      pendingCount = tail.count
    }
  }

  /// The hash of everything so far.
  package func value() -> UInt64 {
    var hash: UInt64
    if total >= 32 {
      hash =
        Self.rotate(lanes[0], 1) &+ Self.rotate(lanes[1], 7) &+ Self.rotate(lanes[2], 12)
        &+ Self.rotate(lanes[3], 18)
      for lane in 0..<4 {
        hash = (hash ^ Self.round(0, lanes[lane])) &* Self.prime1 &+ Self.prime4
      }
    } else {
      hash = Self.prime5
    }
    hash &+= total
    withUnsafeBytes(of: pending) { bytes in
      var place = 0
      while place + 8 <= pendingCount {
        let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
        hash = Self.rotate(hash ^ Self.round(0, word), 27) &* Self.prime1 &+ Self.prime4
        place += 8
      }
      if place + 4 <= pendingCount {
        let word = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
        hash ^= UInt64(word) &* Self.prime1
        hash = Self.rotate(hash, 23) &* Self.prime2 &+ Self.prime3
        place += 4
      }
      while place < pendingCount {
        hash = Self.rotate(hash ^ UInt64(bytes[place]) &* Self.prime5, 11) &* Self.prime1
        place += 1
      }
    }
    hash = (hash ^ hash >> 33) &* Self.prime2
    hash = (hash ^ hash >> 29) &* Self.prime3
    return hash ^ hash >> 32
  }

  /// Takes a multiple of 32 bytes.
  private mutating func consume(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    var (a, b, c, d) = (lanes[0], lanes[1], lanes[2], lanes[3])
    var place = 0
    while place < bytes.count {
      func word(_ index: Int) -> UInt64 {
        UInt64(
          littleEndian: base.loadUnaligned(fromByteOffset: place + 8 * index, as: UInt64.self))
      }
      a = Self.round(a, word(0))
      b = Self.round(b, word(1))
      c = Self.round(c, word(2))
      d = Self.round(d, word(3))
      place += 32
    }
    lanes = SIMD4(a, b, c, d)
  }

  @inline(__always)
  private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    rotate(lane &+ word &* prime2, 31) &* prime1
  }

  @inline(__always)
  private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
    value &<< count | value &>> (64 &- count)
  }
}
