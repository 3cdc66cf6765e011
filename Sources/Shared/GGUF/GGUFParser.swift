// SPDX-License-Identifier: Apache-2.0

/// Reads the head of a GGUF file. Every count is compared with the bytes that are left before
/// anything is allocated; no arithmetic on the file's numbers can trap.
struct GGUFParser {
  static let magic: [UInt8] = Array("GGUF".utf8)
  static let maximumNameBytes: UInt64 = 64
  static let maximumKeyBytes: UInt64 = 65535
  private static let alignmentKey = "general.alignment"
  /// A key of one byte, its type, and one byte of value.
  private static let minimumKeyValueBytes = 8 + 1 + 4 + 1
  /// A name of one byte, one dimension, type, offset.
  private static let minimumTensorBytes = 8 + 1 + 4 + 8 + 4 + 8

  private(set) var version: UInt32 = 0
  private(set) var keys: [String] = []
  private(set) var values: [String: GGUFValue] = [:]
  private(set) var tensors: [GGUFTensor] = []
  private(set) var positions: [String: Int] = [:]

  private let bytes: UnsafeRawBufferPointer
  private var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  private var bytesLeft: Int { bytes.count - offset }

  mutating func parse() throws(GGUFError.Problem) {
    guard bytes.starts(with: GGUFParser.magic) else { throw .badMagic }
    offset = GGUFParser.magic.count
    version = try load(UInt32.self, "the header")
    guard version == 2 || version == 3 else {
      if version.byteSwapped == 2 || version.byteSwapped == 3 { throw .bigEndian }
      throw .unsupportedVersion(version)
    }
    let tensorCount = try load(UInt64.self, "the header")
    let keyCount = try load(UInt64.self, "the header")
    // Both are looked at before either list is read: a large count must not cost time either.
    let keyLimit = bytesLeft / GGUFParser.minimumKeyValueBytes
    guard keyCount <= UInt64(keyLimit) else {
      throw .impossibleCount(what: "keys", count: keyCount)
    }
    let tensorLimit = bytesLeft / GGUFParser.minimumTensorBytes
    guard tensorCount <= UInt64(tensorLimit) else {
      throw .impossibleCount(what: "tensors", count: tensorCount)
    }
    for _ in 0..<Int(keyCount) { try parseKeyValue() }
    var entries: [Entry] = []
    for _ in 0..<Int(tensorCount) { entries.append(try parseTensor()) }
    try place(entries, alignment: try alignment())
  }

  // MARK: Metadata

  private mutating func parseKeyValue() throws(GGUFError.Problem) {
    let key = try name("a key", limit: GGUFParser.maximumKeyBytes)
    if values[key] != nil { throw .duplicateKey(key) }
    let number = try load(UInt32.self, "key \"\(key)\"")
    guard let type = GGUFValueType(rawValue: number) else {
      throw .unknownValueType(key: key, type: number)
    }
    let value: GGUFValue
    if type == .array {
      value = GGUFValue(try array(key))
    } else if let size = type.byteCount {
      let content = try take(size, "key \"\(key)\"")
      if type == .bool, content[0] > 1 { throw .invalidBool(key: key) }
      value = GGUFValue(type: type, bytes: content)
    } else {
      value = GGUFValue(type: type, bytes: try string("key \"\(key)\""))
    }
    keys.append(key)
    values[key] = value
  }

  private mutating func array(_ key: String) throws(GGUFError.Problem) -> GGUFArray {
    let what = "key \"\(key)\""
    let number = try load(UInt32.self, what)
    guard let type = GGUFValueType(rawValue: number) else {
      throw .unknownValueType(key: key, type: number)
    }
    if type == .array { throw .nestedArray(key: key) }
    let claimed = try load(UInt64.self, what)
    // A string takes at least the eight bytes of its length.
    let elementBytes = type.byteCount ?? 8
    guard claimed <= UInt64(bytesLeft / elementBytes) else {
      throw .impossibleCount(what: "elements of \(what)", count: claimed)
    }
    let count = Int(claimed)
    if type != .string {
      let content = try take(count * elementBytes, what)
      if type == .bool, content.contains(where: { $0 > 1 }) { throw .invalidBool(key: key) }
      return GGUFArray(elementType: type, count: count, bytes: content)
    }
    let start = offset
    var starts: [Int] = []
    starts.reserveCapacity(count + 1)
    for _ in 0..<count {
      starts.append(offset - start + 8)
      _ = try string(what)
    }
    starts.append(offset - start + 8)
    return GGUFArray(
      elementType: type, count: count,
      bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<offset]), starts: starts)
  }

  private func alignment() throws(GGUFError.Problem) -> Int {
    guard let value = values[GGUFParser.alignmentKey] else { return 32 }
    guard value.type == .uint32, let alignment = value.int, alignment > 0,
      alignment & (alignment - 1) == 0, alignment <= GGUFFile.maximumAlignment
    else { throw .invalidAlignment }
    return alignment
  }

  // MARK: Tensors

  private struct Entry {
    let name: String
    let dimensions: [Int]
    let type: GGMLType
    let byteCount: Int
    let offset: UInt64
  }

  private mutating func parseTensor() throws(GGUFError.Problem) -> Entry {
    let name = try name("a tensor name", limit: GGUFParser.maximumNameBytes)
    if positions[name] != nil { throw .duplicateTensor(name) }
    positions[name] = positions.count
    let what = "tensor \"\(name)\""
    let dimensionCount = try load(UInt32.self, what)
    guard (1...4).contains(dimensionCount) else {
      throw .invalidDimensionCount(tensor: name, count: dimensionCount)
    }
    var extents: [UInt64] = []
    for _ in 0..<dimensionCount { extents.append(try load(UInt64.self, what)) }
    let number = try load(UInt32.self, what)
    guard let type = GGMLType(rawValue: number) else {
      throw .unsupportedTensorType(tensor: name, type: number)
    }
    var dimensions: [Int] = []
    var elementCount = 1
    for extent in extents {
      guard let extent = Int(exactly: extent), extent > 0 else {
        throw .invalidShape(tensor: name, dimensions: extents)
      }
      let (product, overflow) = elementCount.multipliedReportingOverflow(by: extent)
      if overflow { throw .invalidShape(tensor: name, dimensions: extents) }
      elementCount = product
      dimensions.append(extent)
    }
    guard dimensions[0] % type.blockSize == 0 else {
      throw .invalidShape(tensor: name, dimensions: extents)
    }
    let (byteCount, overflow) = (elementCount / type.blockSize)
      .multipliedReportingOverflow(by: type.blockBytes)
    if overflow { throw .invalidShape(tensor: name, dimensions: extents) }
    return Entry(
      name: name, dimensions: dimensions, type: type, byteCount: byteCount,
      offset: try load(UInt64.self, what))
  }

  /// Turns offsets into ranges of the file and checks them.
  private mutating func place(
    _ entries: [Entry], alignment: Int
  ) throws(GGUFError.Problem) {
    // No overflow: both numbers are far below the address space.
    let start = (offset + alignment - 1) / alignment * alignment
    for entry in entries {
      guard entry.offset % UInt64(alignment) == 0 else {
        throw .misaligned(tensor: entry.name, offset: entry.offset)
      }
      guard let relative = Int(exactly: entry.offset), start <= bytes.count,
        relative <= bytes.count - start, entry.byteCount <= bytes.count - start - relative
      else {
        throw .outsideFile(tensor: entry.name, offset: entry.offset, bytes: entry.byteCount)
      }
      let first = start + relative
      tensors.append(
        GGUFTensor(
          name: entry.name, dimensions: entry.dimensions, type: entry.type,
          range: first..<first + entry.byteCount))
    }
    let ordered = tensors.sorted { $0.range.lowerBound < $1.range.lowerBound }
    for (previous, next) in zip(ordered, ordered.dropFirst())
    where next.range.lowerBound < previous.range.upperBound {
      throw .overlap(tensor: next.name, other: previous.name)
    }
  }

  // MARK: Pieces

  private mutating func load<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, _ what: @autoclosure () -> String
  ) throws(GGUFError.Problem) -> Value {
    guard bytesLeft >= MemoryLayout<Value>.size else { throw .truncated(what: what()) }
    let value = bytes.loadUnaligned(fromByteOffset: offset, as: Value.self)
    offset += MemoryLayout<Value>.size
    return Value(littleEndian: value)
  }

  private mutating func take(
    _ count: Int, _ what: @autoclosure () -> String
  ) throws(GGUFError.Problem) -> UnsafeRawBufferPointer {
    guard count <= bytesLeft else { throw .truncated(what: what()) }
    defer { offset += count }
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
  }

  private mutating func string(
    _ what: @autoclosure () -> String
  ) throws(GGUFError.Problem) -> UnsafeRawBufferPointer {
    let length = try load(UInt64.self, what())
    guard length <= UInt64(bytesLeft) else { throw .truncated(what: what()) }
    return try take(Int(length), what())
  }

  private mutating func name(
    _ what: String, limit: UInt64
  ) throws(GGUFError.Problem) -> String {
    let length = try load(UInt64.self, what)
    guard length > 0, length <= limit else { throw .invalidName(what: what, bytes: length) }
    return String(decoding: try take(Int(length), what), as: UTF8.self)
  }
}
