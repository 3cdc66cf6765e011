// SPDX-License-Identifier: Apache-2.0

/// Builds compact JSON text with the keys in the order given.
///
/// Floats print as the shortest text that reads back the same; a value that JSON cannot hold (NaN,
/// infinity) becomes null.
package struct JSONWriter {
  package private(set) var bytes: [UInt8] = []
  private var needsComma = false

  package init() {}

  /// Forgets what was written and keeps the storage.
  package mutating func reset() {
    bytes.removeAll(keepingCapacity: true)
    needsComma = false
  }

  package mutating func object(_ body: (inout JSONWriter) -> Void) {
    open(UInt8(ascii: "{"))
    body(&self)
    close(UInt8(ascii: "}"))
  }

  package mutating func array(_ body: (inout JSONWriter) -> Void) {
    open(UInt8(ascii: "["))
    body(&self)
    close(UInt8(ascii: "]"))
  }

  package mutating func key(_ name: String) {
    separate()
    quote(name)
    bytes.append(UInt8(ascii: ":"))
  }

  package mutating func value(_ value: String) {
    separate()
    quote(value)
    needsComma = true
  }
  package mutating func value(_ value: Int) { literal("\(value)") }
  package mutating func value(_ value: Bool) { literal(value ? "true" : "false") }
  package mutating func value(_ value: Double) { literal(value.isFinite ? "\(value)" : "null") }
  package mutating func value(_ value: Float) { literal(value.isFinite ? "\(value)" : "null") }
  package mutating func null() { literal("null") }

  package mutating func value(_ value: JSONValue) {
    switch value {
    case .null: null()
    case .boolean(let value): self.value(value)
    case .integer(let value): self.value(value)
    case .double(let value): self.value(value)
    case .string(let value): self.value(value)
    case .array(let elements): array { for element in elements { $0.value(element) } }
    case .object(let object):
      self.object { for member in object.members { $0.field(member.key, member.value) } }
    }
  }

  /// Text that is JSON already.
  package mutating func raw(_ json: some Sequence<UInt8>) {
    separate()
    bytes.append(contentsOf: json)
    needsComma = true
  }

  package mutating func field(_ name: String, _ value: String) { key(name); self.value(value) }
  package mutating func field(_ name: String, _ value: Int) { key(name); self.value(value) }
  package mutating func field(_ name: String, _ value: Bool) { key(name); self.value(value) }
  package mutating func field(_ name: String, _ value: Double) { key(name); self.value(value) }
  package mutating func field(_ name: String, _ value: Float) { key(name); self.value(value) }
  package mutating func field(_ name: String, _ value: JSONValue) { key(name); self.value(value) }
  /// Nothing is written for nil.
  package mutating func field(_ name: String, ifPresent value: String?) {
    if let value { field(name, value) }
  }
  package mutating func field(_ name: String, ifPresent value: Int?) {
    if let value { field(name, value) }
  }
  package mutating func field(_ name: String, ifPresent value: Double?) {
    if let value { field(name, value) }
  }
  package mutating func field(_ name: String, _ values: [Int]) {
    key(name)
    array { for value in values { $0.value(value) } }
  }
  package mutating func field(_ name: String, _ values: [Double]) {
    key(name)
    array { for value in values { $0.value(value) } }
  }
  package mutating func field(_ name: String, _ values: [String]) {
    key(name)
    array { for value in values { $0.value(value) } }
  }
  package mutating func object(_ name: String, _ body: (inout JSONWriter) -> Void) {
    key(name)
    object(body)
  }
  package mutating func array(_ name: String, _ body: (inout JSONWriter) -> Void) {
    key(name)
    array(body)
  }

  /// Ends a line of JSON Lines.
  package mutating func newline() {
    bytes.append(0x0a)
    needsComma = false
  }

  private mutating func open(_ byte: UInt8) {
    separate()
    bytes.append(byte)
    needsComma = false
  }

  private mutating func close(_ byte: UInt8) {
    bytes.append(byte)
    needsComma = true
  }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = false
  }

  private mutating func literal(_ text: String) {
    separate()
    bytes.append(contentsOf: text.utf8)
    needsComma = true
  }

  private mutating func quote(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case 0x0a: bytes.append(contentsOf: Array("\\n".utf8))
      case 0x0d: bytes.append(contentsOf: Array("\\r".utf8))
      case 0x09: bytes.append(contentsOf: Array("\\t".utf8))
      case 0..<0x20, 0x7f:
        let digits = Array("0123456789abcdef".utf8)
        bytes.append(contentsOf: Array("\\u00".utf8))
        bytes.append(digits[Int(byte >> 4)])
        bytes.append(digits[Int(byte & 15)])
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
