// SPDX-License-Identifier: Apache-2.0

/// The type of a metadata value; the raw value is the format's own number.
package enum GGUFValueType: UInt32, Sendable, CaseIterable {
  case uint8 = 0
  case int8 = 1
  case uint16 = 2
  case int16 = 3
  case uint32 = 4
  case int32 = 5
  case float32 = 6
  case bool = 7
  case string = 8
  case array = 9
  case uint64 = 10
  case int64 = 11
  case float64 = 12

  /// Bytes a value takes; nil where it varies.
  package var byteCount: Int? {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .string, .array: nil
    }
  }
}

/// A metadata value. Strings and arrays point into the mapped file and live as long as it does.
package struct GGUFValue: @unchecked Sendable {
  package let type: GGUFValueType
  /// The value's bytes; of a string without its length, of an array all elements.
  let bytes: UnsafeRawBufferPointer
  private let elements: GGUFArray?

  init(type: GGUFValueType, bytes: UnsafeRawBufferPointer) {
    self.type = type
    self.bytes = bytes
    elements = nil
  }

  init(_ array: GGUFArray) {
    type = .array
    bytes = array.bytes
    elements = array
  }

  /// The value of any integer type, if it fits.
  package var int: Int? { GGUFNumber.int(type, bytes, at: 0) }
  /// The value of any integer or floating point type.
  package var number: Double? { GGUFNumber.double(type, bytes, at: 0) }
  package var bool: Bool? { type == .bool ? bytes[0] == 1 : nil }
  /// The bytes of a string; not checked to be UTF-8.
  package var stringBytes: UnsafeRawBufferPointer? { type == .string ? bytes : nil }
  /// A string, with U+FFFD for what is no UTF-8.
  package var text: String? { stringBytes.map { String(decoding: $0, as: UTF8.self) } }
  package var array: GGUFArray? { elements }
}

/// An array of metadata values of one type.
package struct GGUFArray: @unchecked Sendable {
  package let elementType: GGUFValueType
  package let count: Int
  let bytes: UnsafeRawBufferPointer
  /// Of strings: where each string's bytes start in `bytes`, and one past the last one's end plus 8.
  private let starts: [Int]

  init(elementType: GGUFValueType, count: Int, bytes: UnsafeRawBufferPointer, starts: [Int] = []) {
    self.elementType = elementType
    self.count = count
    self.bytes = bytes
    self.starts = starts
  }

  /// The bytes of string `index`.
  ///
  /// - Precondition: the elements are strings and `index` is in range.
  package func stringBytes(_ index: Int) -> UnsafeRawBufferPointer {
    precondition(elementType == .string && index >= 0 && index < count, "no such string")
    // Between two strings lie the eight bytes of the second one's length.
    return UnsafeRawBufferPointer(rebasing: bytes[starts[index]..<starts[index + 1] - 8])
  }

  /// All values of an integer array; nil for other types or a value that does not fit.
  package func integers() -> [Int]? {
    var values: [Int] = []
    guard let size = elementType.byteCount else { return nil }
    values.reserveCapacity(count)
    for index in 0..<count {
      guard let value = GGUFNumber.int(elementType, bytes, at: index * size) else { return nil }
      values.append(value)
    }
    return values
  }

  /// All values of an integer or floating point array; nil for other types.
  package func numbers() -> [Double]? {
    var values: [Double] = []
    guard let size = elementType.byteCount else { return nil }
    values.reserveCapacity(count)
    for index in 0..<count {
      guard let value = GGUFNumber.double(elementType, bytes, at: index * size) else { return nil }
      values.append(value)
    }
    return values
  }
}

/// Little-endian numbers at any alignment.
enum GGUFNumber {
  static func int(_ type: GGUFValueType, _ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int? {
    switch type {
    case .uint8: Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt8.self))
    case .int8: Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int8.self))
    case .uint16: Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    case .int16: Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self))
    case .uint32: Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    case .int32: Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
    case .uint64: Int(exactly: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    case .int64: Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
    case .float32, .float64, .bool, .string, .array: nil
    }
  }

  static func double(
    _ type: GGUFValueType, _ bytes: UnsafeRawBufferPointer, at offset: Int
  ) -> Double? {
    switch type {
    case .float32: Double(bytes.loadUnaligned(fromByteOffset: offset, as: Float.self))
    case .float64: bytes.loadUnaligned(fromByteOffset: offset, as: Double.self)
    case .uint64: Double(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    default: int(type, bytes, at: offset).map(Double.init)
    }
  }
}
