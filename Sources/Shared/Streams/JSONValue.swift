// SPDX-License-Identifier: Apache-2.0

/// A whole JSON value in memory. For configuration files and our own outputs; the hot path uses
/// ``JSONScanner``.
package enum JSONValue: Sendable, Equatable {
  case null
  case boolean(Bool)
  /// A number without fraction and exponent that fits in Int.
  case integer(Int)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  /// Parses one value; nothing may follow it. Duplicate keys are refused.
  package init(parsing bytes: UnsafeRawBufferPointer) throws(JSONError) {
    var scanner = JSONScanner(bytes)
    self = try JSONValue(&scanner)
    try scanner.finish()
  }

  package init(parsing bytes: [UInt8]) throws(JSONError) {
    self = try bytes.withUnsafeBufferPointer { (values) throws(JSONError) in
      try JSONValue(parsing: UnsafeRawBufferPointer(values))
    }
  }

  /// Reads the scanner's next value.
  package init(_ scanner: inout JSONScanner) throws(JSONError) {
    switch try scanner.peekKind() {
    case .null:
      try scanner.null()
      self = .null
    case .boolean: self = .boolean(try scanner.boolean())
    case .string: self = .string(try scanner.string().decoded())
    case .number:
      let start = scanner.offset
      let text = String(decoding: try scanner.numberText(), as: UTF8.self)
      if let integer = Int(text) {
        self = .integer(integer)
      } else if let double = Double(text) {
        self = .double(double)
      } else {
        throw JSONError(.invalidNumber, at: start)
      }
    case .array:
      var elements: [JSONValue] = []
      try scanner.beginArray()
      while try scanner.nextElement() { elements.append(try JSONValue(&scanner)) }
      self = .array(elements)
    case .object:
      var object = JSONObject()
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        let name = try key.decoded()
        if object[name] != nil { throw JSONError(.duplicateKey(name), at: key.offset) }
        object[name] = try JSONValue(&scanner)
      }
      self = .object(object)
    }
  }

  package var kind: JSONKind {
    switch self {
    case .null: .null
    case .boolean: .boolean
    case .integer, .double: .number
    case .string: .string
    case .array: .array
    case .object: .object
    }
  }

  package var isNull: Bool { self == .null }
  package var bool: Bool? { if case .boolean(let value) = self { value } else { nil } }
  package var int: Int? {
    switch self {
    case .integer(let value): value
    case .double(let value): Int(exactly: value)
    default: nil
    }
  }
  package var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }
  package var text: String? { if case .string(let value) = self { value } else { nil } }
  package var elements: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  package var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

  /// The value of `key`, or nil if this is no object or lacks it.
  package subscript(key: String) -> JSONValue? { object?[key] }
}

/// The members of a JSON object, in the order of the text.
package struct JSONObject: Sendable, Equatable {
  package private(set) var members: [(key: String, value: JSONValue)] = []
  private var positions: [String: Int] = [:]

  package init() {}

  package var keys: [String] { members.map(\.key) }

  package subscript(key: String) -> JSONValue? {
    get { positions[key].map { members[$0].value } }
    set {
      if let position = positions[key] {
        if let newValue {
          members[position].value = newValue
        } else {
          members.remove(at: position)
          positions = Dictionary(
            uniqueKeysWithValues: members.enumerated().map { ($1.key, $0) })
        }
      } else if let newValue {
        positions[key] = members.count
        members.append((key, newValue))
      }
    }
  }

  package static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.members.count == right.members.count
      && zip(left.members, right.members).allSatisfy { $0.key == $1.key && $0.value == $1.value }
  }
}
