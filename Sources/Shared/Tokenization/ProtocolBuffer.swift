// SPDX-License-Identifier: Apache-2.0

/// Reads the fields of a protocol buffer message, one after another, without trusting its lengths.
struct ProtocolBuffer {
  enum Value {
    case number(UInt64)
    case fixed32(UInt32)
    case fixed64(UInt64)
    case bytes(UnsafeRawBufferPointer)
  }

  /// Why a message could not be read.
  enum Problem: Error {
    /// At this byte of the message.
    case malformed(Int)
    /// What a field says was refused.
    case refused(TokenizerError)
  }

  private let bytes: UnsafeRawBufferPointer
  private var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The next field; nil at the end.
  mutating func next() throws(Problem) -> (number: Int, value: Value)? {
    if offset == bytes.count { return nil }
    let tag = try variable()
    guard let number = Int(exactly: tag >> 3), number > 0 else { throw .malformed(offset) }
    switch tag & 7 {
    case 0: return (number, .number(try variable()))
    case 1: return (number, .fixed64(try fixed(8)))
    case 2:
      let length = try variable()
      guard length <= UInt64(bytes.count - offset) else { throw .malformed(offset) }
      let start = offset
      offset += Int(length)
      return (number, .bytes(UnsafeRawBufferPointer(rebasing: bytes[start..<offset])))
    case 5: return (number, .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
    default: throw .malformed(offset)
    }
  }

  private mutating func variable() throws(Problem) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: 0 as UInt64, to: 70, by: 7) {
      guard offset < bytes.count else { throw .malformed(offset) }
      let byte = bytes[offset]
      offset += 1
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    throw .malformed(offset)
  }

  private mutating func fixed(_ count: Int) throws(Problem) -> UInt64 {
    guard count <= bytes.count - offset else { throw .malformed(offset) }
    var value: UInt64 = 0
    for index in 0..<count { value |= UInt64(bytes[offset + index]) << UInt64(index * 8) }
    offset += count
    return value
  }
}
