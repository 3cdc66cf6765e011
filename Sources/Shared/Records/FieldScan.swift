// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Finds a few fields in many records: one pass over each line, checked in full, nothing copied and
/// nothing allocated.
///
/// For readers that need two or three numbers of a record and hand its bytes on, such as
/// cl-partition. Make one a thread; `line`'s bytes must live as long as what is asked about them.
///
///     var scan = FieldScan(["cl_score.tokens", "source"])
///     try scan.read(line, at: location)
///     let tokens = try scan.integer(0, at: location)
package struct FieldScan {
  /// Where a value stands.
  package struct Value {
    package let kind: JSONKind
    /// Range of the value in the line, a string's quotes included.
    package let range: Range<Int>
  }

  /// The names as they were asked for; a value's index is its name's.
  package let names: [String]
  /// The line read last.
  package private(set) var line = UnsafeRawBufferPointer(start: nil, count: 0)

  private let table: FieldNameTable
  private var values: [Value?]
  /// The value stands under the whole name, dots included, which wins over a path.
  private var isWhole: [Bool]
  /// What the tools have added, each with one comma beside it.
  private var additions: [Range<Int>] = []

  /// - Parameter names: fields of the record, or dotted paths to fields of objects in it, such as
  ///   `cl_score.tokens`. At most 64.
  package init(_ names: [String]) {
    self.names = Array(names.prefix(64))
    table = FieldNameTable(self.names)
    values = Array(repeating: nil, count: self.names.count)
    isWhole = Array(repeating: false, count: self.names.count)
  }

  /// Reads one line.
  ///
  /// - Throws: ``RecordError/malformedJSON(_:_:)`` (an asked field that stands there twice too),
  ///   ``RecordError/notAnObject(_:found:)``.
  package mutating func read(
    _ line: UnsafeRawBufferPointer, at location: @autoclosure () -> RecordLocation
  ) throws(RecordError) {
    self.line = line
    for index in values.indices {
      values[index] = nil
      isWhole[index] = false
    }
    additions.removeAll(keepingCapacity: true)
    var scanner = JSONScanner(line)
    do throws(JSONError) {
      let kind = try scanner.peekKind()
      guard kind == .object else {
        try scanner.skipValue()
        try scanner.finish()
        throw JSONError(.expected("object", found: kind.rawValue), at: -1)
      }
      try readRecord(&scanner)
      try scanner.finish()
    } catch {
      if error.offset < 0, case .expected(_, let found) = error.problem {
        throw .notAnObject(location(), found: JSONKind(rawValue: found) ?? .null)
      }
      throw .malformedJSON(location(), error)
    }
  }

  /// The value of the field with this index; nil where the record lacks it.
  package subscript(_ index: Int) -> Value? { values[index] }

  /// The bytes of a value as they stand, a string's quotes included.
  package func bytes(_ value: Value) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: line[value.range])
  }

  /// A number; nil where the record lacks it or has null.
  ///
  /// - Throws: ``RecordError/wrongType(_:field:expected:found:)``.
  package func number(
    _ index: Int, at location: @autoclosure () -> RecordLocation
  ) throws(RecordError) -> Double? {
    guard let value = values[index], value.kind != .null else { return nil }
    guard value.kind == .number else {
      throw .wrongType(
        location(), field: names[index], expected: "number", found: value.kind.rawValue)
    }
    var scanner = JSONScanner(bytes(value))
    do throws(JSONError) { return try scanner.double() } catch {
      throw .malformedJSON(
        location(), JSONError(error.problem, at: value.range.lowerBound + error.offset))
    }
  }

  /// A number without fraction and exponent; nil where the record lacks it or has null.
  ///
  /// - Throws: ``RecordError/wrongType(_:field:expected:found:)``.
  package func integer(
    _ index: Int, at location: @autoclosure () -> RecordLocation
  ) throws(RecordError) -> Int? {
    guard let value = values[index], value.kind != .null else { return nil }
    var scanner = JSONScanner(bytes(value))
    if value.kind == .number, let integer = try? scanner.integer() { return integer }
    throw .wrongType(
      location(), field: names[index], expected: "integer",
      found: value.kind == .number ? "another number" : value.kind.rawValue)
  }

  /// Calls `body` with the pieces of the line that are the user's own, in order: all but the fields
  /// whose names begin with `cl_`, each left out with one comma, as if no tool had ever seen the
  /// record. Their digest is the record's key.
  package func forEachOwnPiece(_ body: (UnsafeRawBufferPointer) -> Void) {
    var start = 0
    for addition in additions {
      if addition.lowerBound > start {
        body(UnsafeRawBufferPointer(rebasing: line[start..<addition.lowerBound]))
      }
      start = addition.upperBound
    }
    if start < line.count { body(UnsafeRawBufferPointer(rebasing: line[start...])) }
  }

  // MARK: Reading

  private mutating func readRecord(_ scanner: inout JSONScanner) throws(JSONError) {
    let all: UInt64 = names.isEmpty ? 0 : ~0 >> UInt64(64 - names.count)
    try scanner.beginObject()
    // Where the text between the value before and this key begins: white space and a comma.
    var before = scanner.offset
    var previousWasCut = false
    var isFirst = true
    while let key = try scanner.nextKey() {
      let isAddition =
        key.raw.count >= 3 && key.raw[0] == UInt8(ascii: "c") && key.raw[1] == UInt8(ascii: "l")
        && key.raw[2] == UInt8(ascii: "_")
      try readValue(&scanner, key: key, depth: 0, asked: all)
      if isAddition {
        var start = before
        if !isFirst {
          while start < key.offset - 1, line[start] != UInt8(ascii: ",") { start += 1 }
        } else if !previousWasCut {
          start = key.offset - 1
        }
        additions.append(start..<scanner.offset)
      } else if previousWasCut && isFirst {
        // All members so far were cut: so is the comma before this one.
        additions.append(before..<key.offset - 1)
      }
      if !isAddition { isFirst = false }
      previousWasCut = isAddition
      before = scanner.offset
    }
  }

  /// Reads the value of `key`; `asked` are the paths that lead to the object it stands in.
  private mutating func readValue(
    _ scanner: inout JSONScanner, key: JSONString, depth: Int, asked: UInt64
  ) throws(JSONError) {
    var (found, deeper) = table.matches(key, depth: depth, asked: asked)
    let kind = try scanner.peekKind()
    let start = scanner.offset
    if deeper != 0 && kind == .object {
      try scanner.beginObject()
      while let inner = try scanner.nextKey() {
        try readValue(&scanner, key: inner, depth: depth + 1, asked: deeper)
      }
    } else {
      try scanner.skipValue()
    }
    while found != 0 {
      let index = found.trailingZeroBitCount
      found &= found - 1
      if values[index] != nil {
        if isWhole[index] == (depth == 0) {
          throw JSONError(.duplicateKey(names[index]), at: key.offset - 1)
        }
        if isWhole[index] { continue }
      }
      values[index] = Value(kind: kind, range: start..<scanner.offset)
      isWhole[index] = depth == 0
    }
  }
}
