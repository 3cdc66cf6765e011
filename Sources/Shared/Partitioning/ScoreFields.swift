// SPDX-License-Identifier: Apache-2.0
internal import Randomness
internal import Records
internal import Streams

/// The few numbers of `cl_score` that a partition looks at, read without building the whole score.
struct ScoreFields {
  private(set) var tokens: Int?
  private(set) var words: Int?
  private(set) var sentences: Int?
  private(set) var quality: Double?
  private(set) var score: Double?
  /// Names the record's cluster of near-duplicates; nil if it has none.
  private(set) var cluster: UInt64?

  /// Nil if the record has no score.
  ///
  /// - Throws: `RecordError.wrongType`.
  init?(of fields: RecordFields) throws(RecordError) {
    guard let member = fields.member(RecordScore.key) else { return nil }
    guard member.kind == .object else {
      throw .wrongType(
        fields.location, field: RecordScore.key, expected: "object", found: member.kind.rawValue)
    }
    var scanner = JSONScanner(fields.bytes(of: member))
    do throws(JSONError) {
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        let kind = try scanner.peekKind()
        let value = try scanner.skipValue()
        if kind == .null { continue }
        switch key.raw.count {
        case 5:
          if key.matches("words") { words = try count(kind, value, "words", fields) }
          if key.matches("score") { score = try number(kind, value, "score", fields) }
        case 6:
          if key.matches("tokens") { tokens = try count(kind, value, "tokens", fields) }
        case 7:
          if key.matches("quality") { quality = try number(kind, value, "quality", fields) }
          if key.matches("cluster") { cluster = FieldPath.name(kind, value) }
        case 9:
          if key.matches("sentences") { sentences = try count(kind, value, "sentences", fields) }
        default: break
        }
      }
    } catch {
      throw problem ?? .malformedJSON(
        fields.location, JSONError(error.problem, at: error.offset + member.range.lowerBound))
    }
    if let problem { throw problem }
  }

  private var problem: RecordError?

  private mutating func number(
    _ kind: JSONKind, _ bytes: UnsafeRawBufferPointer, _ name: String, _ fields: RecordFields
  ) throws(JSONError) -> Double? {
    if kind == .number { return try JSONNumber.value(bytes) }
    refuse(name, expected: "number", found: kind.rawValue, fields)
    return nil
  }

  private mutating func count(
    _ kind: JSONKind, _ bytes: UnsafeRawBufferPointer, _ name: String, _ fields: RecordFields
  ) throws(JSONError) -> Int? {
    guard let value = try number(kind, bytes, name, fields) else { return nil }
    if let count = Int(exactly: value), count >= 0 { return count }
    refuse(name, expected: "count", found: "\(value)", fields)
    return nil
  }

  /// Remembers the first value of a wrong type.
  private mutating func refuse(
    _ name: String, expected: String, found: String, _ fields: RecordFields
  ) {
    if problem != nil { return }
    problem = .wrongType(
      fields.location, field: "\(RecordScore.key).\(name)", expected: expected, found: found)
  }
}

/// Numbers out of JSON text that was checked before.
enum JSONNumber {
  private static let powers: [Double] = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
    1e18, 1e19, 1e20, 1e21, 1e22,
  ]

  /// The nearest double, as the scanner reads it; quick for numbers such as 17 and 0.8312.
  static func value(_ bytes: UnsafeRawBufferPointer) throws(JSONError) -> Double {
    var mantissa: UInt64 = 0
    var decimals = -1
    for (place, byte) in bytes.enumerated() {
      switch byte {
      case 0x30...0x39 where place < 19:
        mantissa = mantissa * 10 + UInt64(byte - 0x30)
        if decimals >= 0 { decimals += 1 }
      case 0x2e where decimals < 0: decimals = 0
      default:
        var scanner = JSONScanner(bytes)
        return try scanner.double()
      }
    }
    // Both are exact, so their quotient is rounded once.
    if mantissa > 1 << 53 || decimals > 22 {
      var scanner = JSONScanner(bytes)
      return try scanner.double()
    }
    return Double(mantissa) / powers[max(0, decimals)]
  }
}

/// A field by name or by dotted path, such as `meta.source`.
struct FieldPath: Sendable {
  let text: String
  private let parts: [String]

  init(_ text: String) {
    self.text = text
    parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
  }

  /// The field's value as it stands in the record; nil if it is not there. A member whose name is
  /// the whole path comes before a nested one.
  func find(
    in fields: RecordFields
  ) throws(RecordError) -> (kind: JSONKind, bytes: UnsafeRawBufferPointer)? {
    if let member = fields.member(text) { return (member.kind, fields.bytes(of: member)) }
    guard parts.count > 1, let first = fields.member(parts[0]) else { return nil }
    var (kind, bytes) = (first.kind, fields.bytes(of: first))
    do throws(JSONError) {
      for part in parts.dropFirst() {
        guard kind == .object else { return nil }
        var found: (JSONKind, UnsafeRawBufferPointer)?
        var scanner = JSONScanner(bytes)
        try scanner.beginObject()
        while let key = try scanner.nextKey() {
          let kind = try scanner.peekKind()
          let value = try scanner.skipValue()
          if key.matches(part) { found = (kind, value) }
        }
        guard let found else { return nil }
        (kind, bytes) = found
      }
    } catch {
      throw .malformedJSON(fields.location, error)
    }
    return (kind, bytes)
  }

  /// A string, number or boolean as text; nil for anything else.
  static func text(_ kind: JSONKind, _ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
    switch kind {
    case .string:
      var scanner = JSONScanner(bytes)
      return try? scanner.string().decodedBytes()
    case .number:
      switch try? JSONValue(parsing: bytes) {
      case .integer(let number)?: return Array("\(number)".utf8)
      case .double(let number)?: return Array("\(number)".utf8)
      default: return nil
      }
    case .boolean: return Array(bytes)
    case .null, .array, .object: return nil
    }
  }

  /// A number that stands for the value, never 0; nil unless it is a string, number or boolean.
  static func name(_ kind: JSONKind, _ bytes: UnsafeRawBufferPointer) -> UInt64? {
    guard let text = text(kind, bytes) else { return nil }
    return text.withUnsafeBytes { max(1, ContentHash.hash(of: $0)) }
  }
}
