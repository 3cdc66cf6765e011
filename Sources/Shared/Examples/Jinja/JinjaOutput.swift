// SPDX-License-Identifier: Apache-2.0

// How values become text: as Python's str and repr write them, and as JSON.
extension JinjaEvaluator {
  /// What `{{ value }}` writes.
  mutating func text(of value: JinjaValue) throws(JinjaError) -> [UInt8] {
    switch value {
    case .undefined: return []
    case .none: return Array("None".utf8)
    case .text(let text): return text
    default:
      var result: [UInt8] = []
      try write(value, asJSON: false, indent: nil, level: 0, to: &result)
      return result
    }
  }

  /// As `json.dumps(value, ensure_ascii=False, indent=indent)`.
  mutating func json(_ value: JinjaValue, indent: Int?) throws(JinjaError) -> [UInt8] {
    var result: [UInt8] = []
    let indent = indent.map { min(max($0, 0), 100) }
    try write(value, asJSON: true, indent: indent, level: 0, to: &result)
    try charge(result.count)
    return result
  }

  private mutating func write(
    _ value: JinjaValue, asJSON: Bool, indent: Int?, level: Int, to output: inout [UInt8]
  ) throws(JinjaError) {
    try step()
    switch value {
    case .none: output += Array((asJSON ? "null" : "None").utf8)
    case .bool(let flag):
      output += Array((asJSON ? (flag ? "true" : "false") : (flag ? "True" : "False")).utf8)
    case .integer(let number): output += Array("\(number)".utf8)
    case .float(let number): output += Array(JinjaText.float(number).utf8)
    case .text(let text):
      try charge(text.count)
      if asJSON { writeJSON(text, to: &output) } else { writeLiteral(text, to: &output) }
    case .list(let list):
      let (open, close) = list.isTuple && !asJSON ? ("(", ")") : ("[", "]")
      try writeBracketed(open, close, list.elements.count, indent, level, &output) {
        (evaluator, index, output) throws(JinjaError) in
        try evaluator.write(
          list.elements[index], asJSON: asJSON, indent: indent, level: level + 1, to: &output)
      }
    case .map(let map):
      let members = map.members
      try writeBracketed("{", "}", members.count, indent, level, &output) {
        (evaluator, index, output) throws(JinjaError) in
        let (key, value) = members[index]
        let name =
          asJSON
          ? JinjaValue.text(key.first == 0 ? Array(key.dropFirst()) : key)
          : JinjaMap.value(ofKey: key)
        try evaluator.write(name, asJSON: asJSON, indent: indent, level: level + 1, to: &output)
        output += Array(": ".utf8)
        try evaluator.write(value, asJSON: asJSON, indent: indent, level: level + 1, to: &output)
      }
    case .undefined(let name) where asJSON: throw failure("\"\(name)\" is undefined")
    default: throw failure("\(value.typeName) cannot be written")
    }
  }

  private mutating func writeBracketed(
    _ open: String, _ close: String, _ count: Int, _ indent: Int?, _ level: Int,
    _ output: inout [UInt8],
    _ element: (inout JinjaEvaluator, Int, inout [UInt8]) throws(JinjaError) -> Void
  ) throws(JinjaError) {
    output += Array(open.utf8)
    for index in 0..<count {
      if index > 0 { output.append(UInt8(ascii: ",")) }
      if let indent {
        output += [0x0a] + [UInt8](repeating: 0x20, count: indent * (level + 1))
      } else if index > 0 {
        output.append(0x20)
      }
      try element(&self, index, &output)
    }
    if let indent, count > 0 { output += [0x0a] + [UInt8](repeating: 0x20, count: indent * level) }
    output += Array(close.utf8)
  }

  private func writeJSON(_ text: [UInt8], to output: inout [UInt8]) {
    output.append(UInt8(ascii: "\""))
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""): output += Array("\\\"".utf8)
      case UInt8(ascii: "\\"): output += Array("\\\\".utf8)
      case 0x0a: output += Array("\\n".utf8)
      case 0x0d: output += Array("\\r".utf8)
      case 0x09: output += Array("\\t".utf8)
      case 0x08: output += Array("\\b".utf8)
      case 0x0c: output += Array("\\f".utf8)
      case 0..<0x20: output += Array("\\u00".utf8) + hexadecimal(byte)
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }

  /// Python's repr of a string; characters outside of ASCII count as printable.
  private func writeLiteral(_ text: [UInt8], to output: inout [UInt8]) {
    let hasSingle = text.contains(UInt8(ascii: "'"))
    let quote: UInt8 =
      hasSingle && !text.contains(UInt8(ascii: "\"")) ? UInt8(ascii: "\"") : UInt8(ascii: "'")
    output.append(quote)
    for byte in text {
      switch byte {
      case quote, UInt8(ascii: "\\"): output += [UInt8(ascii: "\\"), byte]
      case 0x0a: output += Array("\\n".utf8)
      case 0x0d: output += Array("\\r".utf8)
      case 0x09: output += Array("\\t".utf8)
      case 0..<0x20, 0x7f: output += Array("\\x".utf8) + hexadecimal(byte)
      default: output.append(byte)
      }
    }
    output.append(quote)
  }

  private func hexadecimal(_ byte: UInt8) -> [UInt8] {
    let digits = Array("0123456789abcdef".utf8)
    return [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
  }
}
