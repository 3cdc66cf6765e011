// SPDX-License-Identifier: Apache-2.0

extension JSONString {
  /// The decoded string as UTF-8.
  package func decodedBytes() throws(JSONError) -> [UInt8] {
    if !hasEscapes { return Array(raw) }
    var result: [UInt8] = []
    result.reserveCapacity(raw.count)
    var index = 0
    while index < raw.count {
      let byte = raw[index]
      if byte != UInt8(ascii: "\\") {
        result.append(byte)
        index += 1
        continue
      }
      switch raw[index + 1] {
      case UInt8(ascii: "b"): result.append(0x08)
      case UInt8(ascii: "f"): result.append(0x0c)
      case UInt8(ascii: "n"): result.append(0x0a)
      case UInt8(ascii: "r"): result.append(0x0d)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "u"):
        let (scalar, length) = try unicodeEscape(at: index)
        result.append(contentsOf: String(scalar).utf8)
        index += length
        continue
      case let other: result.append(other)
      }
      index += 2
    }
    return result
  }

  /// The decoded string.
  package func decoded() throws(JSONError) -> String {
    hasEscapes
      ? String(decoding: try decodedBytes(), as: UTF8.self) : String(decoding: raw, as: UTF8.self)
  }

  /// Whether the decoded string is `text`.
  package func equals(_ text: StaticString) -> Bool {
    if hasEscapes {
      guard let bytes = try? decodedBytes(), bytes.count == text.utf8CodeUnitCount else {
        return false
      }
      return bytes.indices.allSatisfy { bytes[$0] == text.utf8Start[$0] }
    }
    if raw.count != text.utf8CodeUnitCount { return false }
    return raw.indices.allSatisfy { raw[$0] == text.utf8Start[$0] }
  }

  static func hexDigit(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
  }

  private func codeUnit(at index: Int) -> UInt32? {
    guard index + 6 <= raw.count, raw[index] == UInt8(ascii: "\\"),
      raw[index + 1] == UInt8(ascii: "u")
    else { return nil }
    var value: UInt32 = 0
    for position in index + 2..<index + 6 {
      guard let digit = JSONString.hexDigit(raw[position]) else { return nil }
      value = value << 4 | digit
    }
    return value
  }

  private func unicodeEscape(at index: Int) throws(JSONError) -> (Unicode.Scalar, Int) {
    guard let first = codeUnit(at: index) else {
      throw JSONError(.invalidEscape, at: offset + index)
    }
    if let scalar = Unicode.Scalar(first) { return (scalar, 6) }
    guard first < 0xdc00, let second = codeUnit(at: index + 6), second >= 0xdc00,
      second < 0xe000,
      let scalar = Unicode.Scalar(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    else { throw JSONError(.loneSurrogate, at: offset + index) }
    return (scalar, 12)
  }
}

/// Checks UTF-8 sequences (Unicode 16, table 3-7).
enum UTF8Validation {
  /// Length of the multi-byte sequence at `offset`.
  static func sequenceLength(
    _ bytes: UnsafeRawBufferPointer, at offset: Int
  ) throws(JSONError) -> Int {
    let first = bytes[offset]
    let length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
    guard first >= 0xc2, first <= 0xf4, offset + length <= bytes.count else {
      throw JSONError(.invalidUTF8, at: offset)
    }
    let second = bytes[offset + 1]
    let lowest: UInt8 = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80
    let highest: UInt8 = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf
    guard second >= lowest, second <= highest else { throw JSONError(.invalidUTF8, at: offset) }
    for index in 2..<max(2, length) where bytes[offset + index] & 0xc0 != 0x80 {
      throw JSONError(.invalidUTF8, at: offset)
    }
    return length
  }
}
