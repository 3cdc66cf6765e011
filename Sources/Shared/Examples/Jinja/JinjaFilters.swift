// SPDX-License-Identifier: Apache-2.0

/// The filters that we have; a new one is a name here and a case of ``JinjaEvaluator/apply(_:to:)``
/// or, where it is about lists, of `applyToList`.
enum JinjaFilters {
  static let names: Set<String> = textual.union(listed).union([
    "default", "d", "length", "count", "tojson", "safe", "string", "int", "float", "abs", "round",
    "items", "dictsort",
  ])
  static let textual: Set<String> = [
    "trim", "upper", "lower", "capitalize", "title", "replace", "indent", "escape", "e",
  ]
  static let listed: Set<String> = [
    "list", "join", "first", "last", "reverse", "sort", "unique", "map", "select", "reject",
    "selectattr", "rejectattr", "sum", "min", "max",
  ]
}

extension JinjaEvaluator {
  mutating func apply(
    _ filter: JinjaFilterCall, to value: JinjaValue
  ) throws(JinjaError) -> JinjaValue {
    line = filter.line
    let arguments = try evaluate(filter.arguments)
    if JinjaFilters.textual.contains(filter.name) {
      return try applyToText(filter.name, value, arguments)
    }
    if JinjaFilters.listed.contains(filter.name) {
      return try applyToList(filter.name, value, arguments)
    }
    switch filter.name {
    case "default", "d":
      let fallback = arguments[0, "default_value"] ?? .text([])
      if arguments[1, "boolean"]?.isTrue == true { return value.isTrue ? value : fallback }
      if case .undefined = value { return fallback }
      return value
    case "length", "count": return .integer(try length(value))
    case "tojson": return .text(try json(value, indent: arguments[0, "indent"]?.int))
    case "safe": return value
    case "string": return .text(try text(of: value))
    case "int": return .integer(JinjaEvaluator.integer(value) ?? arguments[0, "default"]?.int ?? 0)
    case "float":
      if let number = value.number { return .float(number) }
      guard case .text(let text) = value else { return arguments[0, "default"] ?? .float(0) }
      let stripped = JinjaText.strip(text, nil, left: true, right: true)
      return Double(String(decoding: stripped, as: UTF8.self)).map { .float($0) }
        ?? arguments[0, "default"] ?? .float(0)
    case "abs":
      if let integer = value.int, integer != .min { return .integer(abs(integer)) }
      if let number = value.number { return .float(abs(number)) }
      throw failure("\(value.typeName) has no absolute value")
    case "round":
      guard let number = value.number, arguments.positional.isEmpty, arguments.named.isEmpty else {
        throw JinjaError(.unsupported("round with digits"), line: line)
      }
      return .float(number.rounded(.toNearestOrEven))
    case "items", "dictsort":
      if case .undefined = value { return try list([]) }
      guard case .map(let map) = value else {
        throw failure("\(filter.name) needs a mapping, found \(value.typeName)")
      }
      var members = map.members
      if filter.name == "dictsort" {
        let keys = try sorted(members.map { JinjaMap.value(ofKey: $0.key) }, Values())
        members = keys.compactMap { key in
          JinjaMap.key(key).flatMap { name in map[name].map { (name, $0) } }
        }
      }
      return try pairs(members)
    default: throw JinjaError(.unsupported("the filter \(filter.name)"), line: line)
    }
  }

  mutating func pairs(
    _ members: [(key: [UInt8], value: JinjaValue)]
  ) throws(JinjaError) -> JinjaValue {
    var result: [JinjaValue] = []
    for (key, value) in members { result.append(try list([JinjaMap.value(ofKey: key), value], isTuple: true)) }
    return try list(result)
  }

  func length(_ value: JinjaValue) throws(JinjaError) -> Int {
    switch value {
    case .undefined: return 0
    case .text(let text): return JinjaText.length(text)
    case .list(let list): return list.elements.count
    case .map(let map): return map.keys.count
    default: throw failure("\(value.typeName) has no length")
    }
  }

  private static func integer(_ value: JinjaValue) -> Int? {
    switch value {
    case .float(let number): return Int(exactly: number.rounded(.towardZero))
    case .text(let text):
      let stripped = JinjaText.strip(text, nil, left: true, right: true)
      let string = String(decoding: stripped, as: UTF8.self)
      return Int(string) ?? Double(string).flatMap { Int(exactly: $0.rounded(.towardZero)) }
    default: return value.int
    }
  }

  private mutating func applyToText(
    _ name: String, _ value: JinjaValue, _ arguments: Values
  ) throws(JinjaError) -> JinjaValue {
    let text = try text(of: value)
    try charge(text.count)
    switch name {
    case "trim":
      var set: [UInt8]?
      if case .text(let characters)? = arguments[0, "chars"] { set = characters }
      return .text(JinjaText.strip(text, set, left: true, right: true))
    case "upper": return .text(JinjaText.uppercase(text))
    case "lower": return .text(JinjaText.lowercase(text))
    case "capitalize": return .text(JinjaText.capitalize(text))
    case "title": return .text(JinjaText.title(text))
    case "replace":
      guard case .text(let old)? = arguments[0, "old"], case .text(let new)? = arguments[1, "new"]
      else { throw failure("replace needs two strings") }
      return try replaced(text, old, new, arguments[2, "count"]?.int)
    case "indent":
      let width = arguments[0, "width"]?.int ?? 4
      let first = arguments[1, "first"]?.isTrue ?? false
      let blank = arguments[2, "blank"]?.isTrue ?? false
      return try indented(text, width, first: first, blank: blank)
    default: return .text(escaped(text))
    }
  }

  mutating func replaced(
    _ text: [UInt8], _ old: [UInt8], _ new: [UInt8], _ limit: Int?
  ) throws(JinjaError) -> JinjaValue {
    if old.isEmpty { throw JinjaError(.unsupported("replacing an empty string"), line: line) }
    // Checked before the result is made: it cannot be longer than this.
    let (growth, overflow) = (text.count / old.count).multipliedReportingOverflow(by: new.count)
    if overflow || growth > JinjaEvaluator.byteLimit { try charge(JinjaEvaluator.byteLimit + 1) }
    let limit = limit.map { $0 < 0 ? Int.max : $0 } ?? Int.max
    let result = JinjaText.replace(old, by: new, in: text, limit: limit)
    try charge(result.count)
    return .text(result)
  }

  private mutating func indented(
    _ text: [UInt8], _ width: Int, first: Bool, blank: Bool
  ) throws(JinjaError) -> JinjaValue {
    let lines = text.split(separator: 0x0a, omittingEmptySubsequences: false)
    let width = min(max(width, 0), 1000)
    try charge(lines.count * (width + 1))
    let space = [UInt8](repeating: 0x20, count: width)
    var result: [UInt8] = []
    for (index, line) in lines.enumerated() {
      if index > 0 { result.append(0x0a) }
      if index == 0 ? first : (blank || !line.isEmpty) { result += space }
      result += line
    }
    return .text(result)
  }

  private func escaped(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    for byte in text {
      switch byte {
      case UInt8(ascii: "&"): result += Array("&amp;".utf8)
      case UInt8(ascii: "<"): result += Array("&lt;".utf8)
      case UInt8(ascii: ">"): result += Array("&gt;".utf8)
      case UInt8(ascii: "'"): result += Array("&#39;".utf8)
      case UInt8(ascii: "\""): result += Array("&#34;".utf8)
      default: result.append(byte)
      }
    }
    return result
  }

  // MARK: Lists

  private mutating func applyToList(
    _ name: String, _ value: JinjaValue, _ arguments: Values
  ) throws(JinjaError) -> JinjaValue {
    var elements: [JinjaValue] = []
    // As in Jinja, nothing can be selected of none, and that is no error.
    let isSelection = ["map", "select", "reject", "selectattr", "rejectattr"].contains(name)
    if !isSelection || value.isTrue { elements = try self.elements(of: value) }
    try step(elements.count)
    switch name {
    case "list": return try list(elements)
    case "join": return .text(try joined(elements, arguments))
    case "first": return elements.first ?? .undefined("first")
    case "last": return elements.last ?? .undefined("last")
    case "reverse":
      if case .text(let text) = value {
        return .text(JinjaText.bytes(JinjaText.scalars(text).reversed()))
      }
      return try list(elements.reversed())
    case "select", "reject": return try selected(elements, arguments, keeps: name == "select")
    case "selectattr", "rejectattr":
      return try selected(elements, byAttribute: arguments, keeps: name == "selectattr")
    case "map": return try mapped(elements, arguments)
    case "sort": return try list(try sorted(elements, arguments))
    case "unique":
      var result: [JinjaValue] = []
      for element in elements {
        if try !contains(.list(JinjaList(result)), element) { result.append(element) }
      }
      return try list(result)
    case "min", "max":
      let sorted = try sorted(elements, Values())
      return (name == "min" ? sorted.first : sorted.last) ?? .undefined(name)
    default:
      var total = 0
      for element in elements {
        guard let integer = element.int else { throw failure("sum needs integers") }
        let (sum, overflow) = total.addingReportingOverflow(integer)
        if overflow { throw failure("the sum is too large") }
        total = sum
      }
      return .integer(total)
    }
  }

  private mutating func joined(
    _ elements: [JinjaValue], _ arguments: Values
  ) throws(JinjaError) -> [UInt8] {
    var separator: [UInt8] = []
    if let value = arguments[0, "d"] { separator = try text(of: value) }
    var result: [UInt8] = []
    for (index, element) in elements.enumerated() {
      if index > 0 { result += separator }
      var element = element
      if let name = arguments[1, "attribute"] { element = try path(name, of: element) }
      result += try text(of: element)
      if result.count > JinjaEvaluator.byteLimit { break }
    }
    try charge(result.count)
    return result
  }

  /// `a.b` of a value.
  private mutating func path(
    _ name: JinjaValue, of value: JinjaValue
  ) throws(JinjaError) -> JinjaValue {
    guard case .text(let name) = name else { return try item(name, of: value) }
    var value = value
    for part in name.split(separator: UInt8(ascii: ".")) {
      value = try item(.text(Array(part)), of: value)
    }
    return value
  }

  private mutating func passes(
    _ value: JinjaValue, _ arguments: Values, from index: Int
  ) throws(JinjaError) -> Bool {
    guard arguments.positional.count > index else { return value.isTrue }
    guard case .text(let name) = arguments.positional[index] else {
      throw failure("a test is named by a string")
    }
    let test = String(decoding: name, as: UTF8.self)
    guard JinjaTests.names.contains(test) else {
      throw JinjaError(.unsupported("the test \(test)"), line: line)
    }
    let argument =
      arguments.positional.count > index + 1 ? arguments.positional[index + 1] : nil
    return try self.test(value, test, argument)
  }

  private mutating func selected(
    _ elements: [JinjaValue], _ arguments: Values, keeps: Bool
  ) throws(JinjaError) -> JinjaValue {
    var result: [JinjaValue] = []
    for element in elements where try passes(element, arguments, from: 0) == keeps {
      result.append(element)
    }
    return try list(result)
  }

  private mutating func selected(
    _ elements: [JinjaValue], byAttribute arguments: Values, keeps: Bool
  ) throws(JinjaError) -> JinjaValue {
    guard let name = arguments.positional.first else { throw failure("an attribute is missing") }
    var result: [JinjaValue] = []
    for element in elements {
      let value = try path(name, of: element)
      if try passes(value, arguments, from: 1) == keeps { result.append(element) }
    }
    return try list(result)
  }

  private mutating func mapped(
    _ elements: [JinjaValue], _ arguments: Values
  ) throws(JinjaError) -> JinjaValue {
    var result: [JinjaValue] = []
    if let attribute = arguments.named.first(where: { $0.name == "attribute" })?.value {
      let fallback = arguments.named.first { $0.name == "default" }?.value
      for element in elements {
        var value = try path(attribute, of: element)
        if let fallback, case .undefined = value { value = fallback }
        result.append(value)
      }
      return try list(result)
    }
    guard case .text(let name)? = arguments.positional.first else {
      throw failure("map needs a filter or an attribute")
    }
    let filter = String(decoding: name, as: UTF8.self)
    guard JinjaFilters.names.contains(filter), arguments.positional.count == 1 else {
      throw JinjaError(.unsupported("map with the filter \(filter)"), line: line)
    }
    let call = JinjaFilterCall(name: filter, arguments: JinjaArguments(), line: line)
    for element in elements {
      result.append(
        try nested { (evaluator) throws(JinjaError) in try evaluator.apply(call, to: element) })
    }
    return try list(result)
  }

  /// By value; texts without regard to case, as Jinja does by default.
  private mutating func sorted(
    _ elements: [JinjaValue], _ arguments: Values
  ) throws(JinjaError) -> [JinjaValue] {
    if elements.count < 2 { return elements }
    var keys: [JinjaValue] = []
    for element in elements {
      var key = element
      if let name = arguments[2, "attribute"] { key = try path(name, of: element) }
      if case .text(let text) = key, arguments[1, "case_sensitive"]?.isTrue != true {
        key = .text(JinjaText.lowercase(text))
      }
      keys.append(key)
    }
    // All keys have an order among each other if each has one with its neighbour.
    for index in 1..<keys.count { _ = try precedes(keys[index - 1], keys[index]) }
    var evaluator = self
    let order = keys.indices.sorted { first, second in
      if (try? evaluator.precedes(keys[first], keys[second])) == true { return true }
      if (try? evaluator.precedes(keys[second], keys[first])) == true { return false }
      return first < second
    }
    let result = order.map { elements[$0] }
    return arguments[0, "reverse"]?.isTrue == true ? result.reversed() : result
  }
}
