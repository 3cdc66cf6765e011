// SPDX-License-Identifier: Apache-2.0
// Normalization of the standard library, which has no public name yet.
@_spi(_Unicode) import Swift

/// What happens to text before it is cut into pieces.
package enum Normalizer: String, Sendable, Equatable {
  case none
  /// Canonical composition (Unicode normalization form C).
  case nfc

  /// Normalized text, or nil where normalizing changes nothing.
  func apply(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
    switch self {
    case .none: return nil
    case .nfc:
      // Nothing below U+0300, whose UTF-8 starts with 0xCC, composes or decomposes under NFC.
      if !bytes.contains(where: { $0 >= 0xcc }) { return nil }
      var result: [UInt8] = []
      result.reserveCapacity(bytes.count)
      for scalar in String(decoding: bytes, as: UTF8.self)._nfc {
        result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      }
      return result
    }
  }
}
