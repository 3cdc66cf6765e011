// SPDX-License-Identifier: Apache-2.0
internal import CByteScan

/// What kind of JSON value starts here.
package enum JSONKind: String, Sendable {
  case object, array, string, number, boolean, null
}

/// A string as it stands in the text: the bytes between its quotes.
package struct JSONString {
  package let raw: UnsafeRawBufferPointer
  package let hasEscapes: Bool
  /// Offset of `raw` in the scanned text.
  package let offset: Int
}

/// Reads JSON (RFC 8259) from bytes, value by value, without building a tree.
///
/// Strict: no comments, no trailing commas, valid UTF-8, at most ``depthLimit`` levels. A string is
/// decoded only when asked for. The scanned bytes must outlive the scanner and what it returns.
package struct JSONScanner {
  package static let depthLimit = 512

  private let base: UnsafeRawBufferPointer
  /// Offset of the next byte to read.
  package private(set) var offset = 0
  /// The next key or element is the first of its container.
  private var isFirst = false
  private var depth = 0

  package init(_ bytes: UnsafeRawBufferPointer) { base = bytes }

  // MARK: Containers

  /// Looks at the next value without reading it.
  package mutating func peekKind() throws(JSONError) -> JSONKind {
    skipWhitespace()
    guard offset < base.count else { throw JSONError(.unexpectedEnd, at: offset) }
    switch base[offset] {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    default: throw unexpected("a value")
    }
  }

  package mutating func beginObject() throws(JSONError) {
    try open(UInt8(ascii: "{"), "an object")
  }

  /// The next key of the object, its colon read too; nil when the object has ended.
  package mutating func nextKey() throws(JSONError) -> JSONString? {
    guard try advance(closing: UInt8(ascii: "}")) else { return nil }
    skipWhitespace()
    guard offset < base.count else { throw JSONError(.unexpectedEnd, at: offset) }
    guard base[offset] == UInt8(ascii: "\"") else { throw unexpected("a key") }
    let key = try string()
    try expect(UInt8(ascii: ":"), "\":\"")
    return key
  }

  package mutating func beginArray() throws(JSONError) {
    try open(UInt8(ascii: "["), "an array")
  }

  /// True if another element follows; false when the array has ended.
  package mutating func nextElement() throws(JSONError) -> Bool {
    try advance(closing: UInt8(ascii: "]"))
  }

  /// Fails unless nothing but white space is left.
  package mutating func finish() throws(JSONError) {
    skipWhitespace()
    if offset < base.count { throw JSONError(.trailingCharacters, at: offset) }
  }

  // MARK: Scalars

  package mutating func string() throws(JSONError) -> JSONString {
    try expect(UInt8(ascii: "\""), "a string")
    let start = offset
    var hasEscapes = false
    while true {
      skipPlain()
      guard offset < base.count else { break }
      let byte = base[offset]
      if byte == UInt8(ascii: "\"") {
        let raw = UnsafeRawBufferPointer(rebasing: base[start..<offset])
        offset += 1
        return JSONString(raw: raw, hasEscapes: hasEscapes, offset: start)
      } else if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        try skipEscape()
      } else if byte < 0x20 {
        throw JSONError(.controlCharacter, at: offset)
      } else {
        // Scripts other than Latin come in runs.
        repeat {
          offset += try UTF8Validation.sequenceLength(base, at: offset)
        } while offset < base.count && base[offset] >= 0x80
      }
    }
    throw JSONError(.unexpectedEnd, at: offset)
  }

  /// The text of a number, checked against the grammar.
  package mutating func numberText() throws(JSONError) -> UnsafeRawBufferPointer {
    skipWhitespace()
    let start = offset
    if current == UInt8(ascii: "-") { offset += 1 }
    if current == UInt8(ascii: "0") {
      offset += 1
    } else if try digits() == 0 {
      throw unexpected("a number")
    }
    if current == UInt8(ascii: ".") {
      offset += 1
      if try digits() == 0 { throw JSONError(.invalidNumber, at: offset) }
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      offset += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { offset += 1 }
      if try digits() == 0 { throw JSONError(.invalidNumber, at: offset) }
    }
    return UnsafeRawBufferPointer(rebasing: base[start..<offset])
  }

  package mutating func double() throws(JSONError) -> Double {
    let start = offset
    let text = try numberText()
    guard let value = Double(String(decoding: text, as: UTF8.self)) else {
      throw JSONError(.invalidNumber, at: start)
    }
    return value
  }

  /// A number without fraction and exponent that fits in Int.
  package mutating func integer() throws(JSONError) -> Int {
    skipWhitespace()
    let start = offset
    let text = try numberText()
    var value = 0
    let isNegative = text.first == UInt8(ascii: "-")
    for byte in text.dropFirst(isNegative ? 1 : 0) {
      let digit = Int(byte) - 0x30
      guard digit >= 0 && digit <= 9 else {
        throw JSONError(
          .expected("an integer", found: String(decoding: text, as: UTF8.self)), at: start)
      }
      let (product, overflow1) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow2) = product.subtractingReportingOverflow(digit)
      if overflow1 || overflow2 { throw JSONError(.invalidNumber, at: start) }
      value = sum
    }
    if isNegative { return value }
    let (positive, overflow) = (0).subtractingReportingOverflow(value)
    if overflow { throw JSONError(.invalidNumber, at: start) }
    return positive
  }

  package mutating func boolean() throws(JSONError) -> Bool {
    skipWhitespace()
    if current == UInt8(ascii: "t") {
      try literal("true")
      return true
    }
    try literal("false")
    return false
  }

  package mutating func null() throws(JSONError) {
    skipWhitespace()
    try literal("null")
  }

  /// Reads one value of any kind, checks it, and returns the bytes that it took.
  @discardableResult
  package mutating func skipValue() throws(JSONError) -> UnsafeRawBufferPointer {
    skipWhitespace()
    let start = offset
    switch try peekKind() {
    case .object:
      try beginObject()
      while try nextKey() != nil { try skipValue() }
    case .array:
      try beginArray()
      while try nextElement() { try skipValue() }
    case .string: _ = try string()
    case .number: _ = try numberText()
    case .boolean: _ = try boolean()
    case .null: try null()
    }
    return UnsafeRawBufferPointer(rebasing: base[start..<offset])
  }

  // MARK: Pieces

  private var current: UInt8? { offset < base.count ? base[offset] : nil }

  /// Passes over what may stand in a string just like that.
  private mutating func skipPlain() {
    guard let start = base.baseAddress else { return }
    offset += cl_plain_run(
      (start + offset).assumingMemoryBound(to: UInt8.self), base.count - offset)
  }

  private mutating func skipWhitespace() {
    while offset < base.count {
      switch base[offset] {
      case 0x20, 0x09, 0x0a, 0x0d: offset += 1
      default: return
      }
    }
  }

  private mutating func open(_ byte: UInt8, _ what: String) throws(JSONError) {
    try expect(byte, what)
    depth += 1
    if depth > JSONScanner.depthLimit {
      throw JSONError(.tooDeep(limit: JSONScanner.depthLimit), at: offset)
    }
    isFirst = true
  }

  private mutating func advance(closing: UInt8) throws(JSONError) -> Bool {
    skipWhitespace()
    guard let byte = current else { throw JSONError(.unexpectedEnd, at: offset) }
    if byte == closing {
      offset += 1
      depth -= 1
      isFirst = false
      return false
    }
    if !isFirst {
      let closer = String(UnicodeScalar(closing))
      if byte != UInt8(ascii: ",") { throw unexpected("\",\" or \"\(closer)\"") }
      offset += 1
      skipWhitespace()
      if current == closing { throw unexpected("another value after \",\"") }
    }
    isFirst = false
    return true
  }

  private mutating func expect(_ byte: UInt8, _ what: String) throws(JSONError) {
    skipWhitespace()
    guard let found = current else { throw JSONError(.unexpectedEnd, at: offset) }
    if found != byte { throw unexpected(what) }
    offset += 1
  }

  private mutating func literal(_ text: StaticString) throws(JSONError) {
    for index in 0..<text.utf8CodeUnitCount {
      guard let byte = current else { throw JSONError(.unexpectedEnd, at: offset) }
      if byte != text.utf8Start[index] { throw unexpected("a value") }
      offset += 1
    }
  }

  private mutating func digits() throws(JSONError) -> Int {
    let start = offset
    while let byte = current, byte >= 0x30 && byte <= 0x39 { offset += 1 }
    return offset - start
  }

  private mutating func skipEscape() throws(JSONError) {
    guard offset + 1 < base.count else { throw JSONError(.unexpectedEnd, at: base.count) }
    switch base[offset + 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
      UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      offset += 2
    case UInt8(ascii: "u"):
      guard offset + 5 < base.count else { throw JSONError(.unexpectedEnd, at: base.count) }
      for index in 2..<6 where JSONString.hexDigit(base[offset + index]) == nil {
        throw JSONError(.invalidEscape, at: offset)
      }
      offset += 6
    default: throw JSONError(.invalidEscape, at: offset)
    }
  }

  private func unexpected(_ expected: String) -> JSONError {
    guard let byte = current else { return JSONError(.unexpectedEnd, at: offset) }
    let found =
      byte >= 0x21 && byte < 0x7f
      ? "\"\(String(UnicodeScalar(byte)))\"" : "byte \(byte)"
    return JSONError(.expected(expected, found: found), at: offset)
  }
}
