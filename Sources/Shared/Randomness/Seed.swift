// SPDX-License-Identifier: Apache-2.0
internal import CCrypto

/// The root of all randomness of one run: a number from which named, independent streams come.
///
/// A stream depends on its name alone, never on what was drawn elsewhere: bin 3's proportions stay
/// the same whatever happens to bin 2, and client 7 of round 2 draws the same numbers whether or
/// not client 6 ran.
package struct Seed: Sendable, Equatable {
  package let value: UInt64

  package init(_ value: UInt64) { self.value = value }

  /// The stream named by `path`, for example `seed.stream("partition", "dirichlet", "bin-3")`.
  ///
  /// Its key is made from SHA-256 of: the 8 bytes `cllora/1`, the seed as 8 bytes, and for each part
  /// its UTF-8 length as 8 bytes followed by its UTF-8; integers little-endian. Bytes 0..<8 of the
  /// digest are Philox's key, bytes 8..<16 the upper half of its counter.
  package func stream(_ path: String...) -> Philox { stream(path: path) }

  /// ``stream(_:)`` with the parts in an array.
  package func stream(path: [String]) -> Philox {
    var message = Array("cllora/1".utf8)
    Seed.append(value, to: &message)
    for part in path {
      let bytes = Array(part.utf8)
      Seed.append(UInt64(bytes.count), to: &message)
      message.append(contentsOf: bytes)
    }
    var digest = [UInt8](repeating: 0, count: 32)
    _ = SHA256(message, message.count, &digest)
    return Philox(key: Seed.word(digest, at: 0), stream: Seed.word(digest, at: 8))
  }

  private static func append(_ value: UInt64, to bytes: inout [UInt8]) {
    for shift in stride(from: 0, to: 64, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
    }
  }

  private static func word(_ bytes: [UInt8], at offset: Int) -> UInt64 {
    (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
  }
}
