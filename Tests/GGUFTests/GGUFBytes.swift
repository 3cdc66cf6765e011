// SPDX-License-Identifier: Apache-2.0

/// GGUF files made by hand, so that each number in them can be a lie.
struct GGUFBytes {
  var bytes: [UInt8]

  init(version: UInt32 = 3, tensors: UInt64, keys: UInt64) {
    bytes = Array("GGUF".utf8)
    number(version)
    number(tensors)
    number(keys)
  }

  mutating func number<Value: FixedWidthInteger>(_ value: Value) {
    for index in 0..<Value.bitWidth / 8 {
      bytes.append(UInt8(truncatingIfNeeded: value >> Value(8 * index)))
    }
  }

  mutating func string(_ text: String) { string(Array(text.utf8)) }

  mutating func string(_ content: [UInt8], length: UInt64? = nil) {
    number(length ?? UInt64(content.count))
    bytes += content
  }

  mutating func key(_ name: String, type: UInt32, _ value: [UInt8]) {
    string(name)
    number(type)
    bytes += value
  }

  mutating func tensor(
    _ name: String, dimensions: [UInt64], type: UInt32, offset: UInt64, dimensionCount: UInt32? = nil
  ) {
    string(name)
    number(dimensionCount ?? UInt32(dimensions.count))
    for extent in dimensions { number(extent) }
    number(type)
    number(offset)
  }

  mutating func pad(to alignment: Int = 32) {
    while bytes.count % alignment != 0 { bytes.append(0) }
  }

  static func littleEndian<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    (0..<Value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> Value(8 * $0)) }
  }

  /// Every type of value, three tensors.
  static func sample(version: UInt32 = 3) -> [UInt8] {
    var file = GGUFBytes(version: version, tensors: 3, keys: 14)
    file.key("general.architecture", type: 8, littleEndian(UInt64(5)) + Array("llama".utf8))
    file.key("u8", type: 0, [200])
    file.key("i8", type: 1, [0xff])
    file.key("u16", type: 2, littleEndian(UInt16(60000)))
    file.key("i16", type: 3, littleEndian(Int16(-3)))
    file.key("u32", type: 4, littleEndian(UInt32.max))
    file.key("i32", type: 5, littleEndian(Int32.min))
    file.key("f32", type: 6, littleEndian(Float(1.5).bitPattern))
    file.key("bool", type: 7, [1])
    file.key("u64", type: 10, littleEndian(UInt64.max))
    file.key("i64", type: 11, littleEndian(Int64(-9)))
    file.key("f64", type: 12, littleEndian((0.1).bitPattern))
    file.string("names")
    file.number(UInt32(9))
    file.number(UInt32(8))
    file.number(UInt64(3))
    for name in ["a", "", "ĠÃ"] { file.string(name) }
    file.string("numbers")
    file.number(UInt32(9))
    file.number(UInt32(5))
    file.number(UInt64(2))
    file.number(Int32(4))
    file.number(Int32(-4))
    file.tensor("w", dimensions: [2, 3], type: 0, offset: 0)
    file.tensor("q", dimensions: [64, 2], type: 8, offset: 160)
    file.tensor("h", dimensions: [1], type: 30, offset: 32)
    file.pad()
    for value in 0..<6 { file.number(Float(value).bitPattern) }
    file.pad()
    file.number(UInt16(0x3f80))
    file.bytes += [UInt8](repeating: 0, count: 126)
    file.bytes += [UInt8](repeating: 9, count: 4 * 34)
    return file.bytes
  }
}
