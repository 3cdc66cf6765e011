// SPDX-License-Identifier: Apache-2.0

/// The byte-level alphabet of GPT-2: one printable character for each of the 256 bytes.
///
/// Bytes 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF stand for themselves; the other 68, in ascending
/// order, are U+0100 and following. Vocabularies are written with these characters.
package enum ByteAlphabet {
  /// The character of each byte.
  static let scalars: [Unicode.Scalar] = {
    var result: [Unicode.Scalar] = []
    var next: UInt16 = 0x100
    for byte in UInt8.min...UInt8.max {
      switch byte {
      case 0x21...0x7e, 0xa1...0xac, 0xae...0xff: result.append(Unicode.Scalar(byte))
      default:
        if let scalar = Unicode.Scalar(next) { result.append(scalar) }
        next += 1
      }
    }
    return result
  }()

  /// The byte of each character below U+0144; -1 where there is none.
  static let bytes: [Int16] = {
    var result = [Int16](repeating: -1, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { result[Int(scalar.value)] = Int16(byte) }
    return result
  }()

  /// Appends the bytes that a token's characters stand for.
  ///
  /// - Returns: false, with `output` unchanged, if some character is not of the alphabet.
  static func decode(_ token: UnsafeRawBufferPointer, into output: inout [UInt8]) -> Bool {
    let start = output.count
    var offset = 0
    while offset < token.count {
      // All characters of the alphabet have one or two bytes in UTF-8.
      var value = Int(token[offset])
      offset += 1
      if value >= 0x80 {
        guard value >= 0xc2, value < 0xe0, offset < token.count else {
          output.removeSubrange(start...)
          return false
        }
        value = (value & 0x1f) << 6 | Int(token[offset] & 0x3f)
        offset += 1
      }
      guard value < bytes.count, bytes[value] >= 0 else {
        output.removeSubrange(start...)
        return false
      }
      output.append(UInt8(bytes[value]))
    }
    return true
  }

  /// The UTF-8 of the character that stands for `byte`.
  static func character(of byte: UInt8) -> [UInt8] {
    Array(String(scalars[Int(byte)]).utf8)
  }
}
