// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// The fields of one line that a tool wrote about itself, read with their types.
///
/// A field that is missing or null is nil; one of another type is bad data. Counts are kept below
/// 2^45 and numbers below 1e100, so that sums over a report cannot overflow.
struct LineFields {
  static let largestCount = 1 << 45
  let location: RecordLocation
  let value: JSONValue

  func number(_ key: String) throws(RecordError) -> Double? {
    guard let field = value[key], !field.isNull else { return nil }
    guard let number = field.number, number.isFinite, abs(number) < 1e100 else {
      throw wrongType(key, "a number", field)
    }
    return number
  }

  func count(_ key: String) throws(RecordError) -> Int? {
    guard let field = value[key], !field.isNull else { return nil }
    guard let count = field.int, count >= 0, count <= LineFields.largestCount else {
      throw wrongType(key, "a count", field)
    }
    return count
  }

  func text(_ key: String) throws(RecordError) -> String? {
    guard let field = value[key], !field.isNull else { return nil }
    guard let text = field.text else { throw wrongType(key, "string", field) }
    return text
  }

  /// A string, or a number written as one: ids and seeds.
  func name(_ key: String) throws(RecordError) -> String? {
    guard let field = value[key], !field.isNull else { return nil }
    switch field {
    case .string(let text): return text
    case .integer(let number): return String(number)
    case .double(let number): return "\(number)"
    default: throw wrongType(key, "string", field)
    }
  }

  func elements(_ key: String) throws(RecordError) -> [JSONValue]? {
    guard let field = value[key], !field.isNull else { return nil }
    guard let elements = field.elements else { throw wrongType(key, "array", field) }
    return elements
  }

  /// The objects of an array.
  func objects(_ key: String) throws(RecordError) -> [LineFields] {
    var objects: [LineFields] = []
    for (index, element) in try (elements(key) ?? []).enumerated() {
      guard element.kind == .object else { throw wrongType("\(key)[\(index)]", "object", element) }
      objects.append(LineFields(location: location, value: element))
    }
    return objects
  }

  func object(_ key: String) throws(RecordError) -> LineFields? {
    guard let field = value[key], !field.isNull else { return nil }
    guard field.kind == .object else { throw wrongType(key, "object", field) }
    return LineFields(location: location, value: field)
  }

  func numbers(_ key: String) throws(RecordError) -> [Double]? {
    guard let elements = try elements(key) else { return nil }
    var numbers: [Double] = []
    for (index, element) in elements.enumerated() {
      guard let number = element.number, number.isFinite, abs(number) < 1e100 else {
        throw wrongType("\(key)[\(index)]", "a number", element)
      }
      numbers.append(number)
    }
    return numbers
  }

  func texts(_ key: String) throws(RecordError) -> [String]? {
    guard let elements = try elements(key) else { return nil }
    var texts: [String] = []
    for (index, element) in elements.enumerated() {
      guard let text = element.text else { throw wrongType("\(key)[\(index)]", "string", element) }
      texts.append(text)
    }
    return texts
  }

  func required(_ key: String) throws(RecordError) -> Double {
    guard let number = try number(key) else { throw .missingField(location, field: key) }
    return number
  }

  private func wrongType(_ key: String, _ expected: String, _ found: JSONValue) -> RecordError {
    .wrongType(
      location, field: key, expected: expected,
      found: found.kind == .number ? "another number" : found.kind.rawValue)
  }
}
