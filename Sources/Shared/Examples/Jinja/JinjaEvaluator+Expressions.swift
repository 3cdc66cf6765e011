// SPDX-License-Identifier: Apache-2.0

extension JinjaEvaluator {
  mutating func evaluate(_ expression: JinjaExpression) throws(JinjaError) -> JinjaValue {
    try step()
    let outer = line
    line = expression.line
    let value = try nested { (evaluator) throws(JinjaError) in
      try evaluator.value(of: expression)
    }
    line = outer
    return value
  }

  private mutating func value(of expression: JinjaExpression) throws(JinjaError) -> JinjaValue {
    switch expression.kind {
    case .literal(let literal): return JinjaEvaluator.value(of: literal)
    case .name(let name): return scope.find(name) ?? .undefined(name)
    case .list(let expressions):
      var elements: [JinjaValue] = []
      for expression in expressions { elements.append(try evaluate(expression)) }
      return try list(elements)
    case .map(let expressions):
      var members: [(key: [UInt8], value: JinjaValue)] = []
      for (key, value) in expressions {
        guard let name = JinjaMap.key(try evaluate(key)) else {
          throw failure("keys of mappings must be strings or integers")
        }
        members.append((name, try evaluate(value)))
      }
      return try map(members)
    case .attribute(let base, let name): return try attribute(name, of: try evaluate(base))
    case .item(let base, let key):
      let base = try evaluate(base)
      return try item(try evaluate(key), of: base)
    case .slice(let base, let start, let stop, let stride):
      let base = try evaluate(base)
      return try slice(base, try bound(start), try bound(stop), try bound(stride))
    case .call(let function, let arguments):
      let function = try evaluate(function)
      return try call(function, try evaluate(arguments))
    case .filter(let base, let filter): return try apply(filter, to: try evaluate(base))
    case .test(let base, let name, let argument):
      let base = try evaluate(base)
      return .bool(try test(base, name, try argument.map { (value) throws(JinjaError) in
        try evaluate(value)
      }))
    case .not(let operand): return .bool(try !evaluate(operand).isTrue)
    case .negative(let operand): return try negative(try evaluate(operand))
    case .and(let left, let right):
      let value = try evaluate(left)
      return value.isTrue ? try evaluate(right) : value
    case .or(let left, let right):
      let value = try evaluate(left)
      return value.isTrue ? value : try evaluate(right)
    case .comparison(let first, let rest): return .bool(try compare(first, rest))
    case .arithmetic(let symbol, let left, let right):
      let left = try evaluate(left)
      return try arithmetic(symbol, left, try evaluate(right))
    case .concatenation(let parts):
      var text: [UInt8] = []
      for part in parts { text += try self.text(of: try evaluate(part)) }
      try charge(text.count)
      return .text(text)
    case .choice(let condition, let then, let otherwise):
      if try evaluate(condition).isTrue { return try evaluate(then) }
      return try otherwise.map { (value) throws(JinjaError) in try evaluate(value) }
        ?? .undefined("inline if without else")
    }
  }

  private static func value(of literal: JinjaLiteral) -> JinjaValue {
    switch literal {
    case .none: .none
    case .bool(let value): .bool(value)
    case .integer(let value): .integer(value)
    case .float(let value): .float(value)
    case .text(let text): .text(text)
    }
  }

  private mutating func bound(_ expression: JinjaExpression?) throws(JinjaError) -> Int? {
    guard let expression else { return nil }
    let value = try evaluate(expression)
    if case .none = value { return nil }
    guard let bound = value.int else { throw failure("a slice needs integers") }
    return bound
  }

  // MARK: Parts of values

  /// `value.name`: for mappings methods come before members, as in Python.
  mutating func attribute(_ name: String, of value: JinjaValue) throws(JinjaError) -> JinjaValue {
    switch value {
    case .undefined(let undefined): throw failure("\"\(undefined)\" is undefined")
    case .map(let map):
      if JinjaMethods.ofMaps.contains(name) { return .method(value, name) }
      return map[Array(name.utf8)] ?? .undefined(name)
    case .text:
      return JinjaMethods.ofTexts.contains(name) ? .method(value, name) : .undefined(name)
    case .list:
      return JinjaMethods.ofLists.contains(name) ? .method(value, name) : .undefined(name)
    case .namespace(let namespace): return namespace.members[name] ?? .undefined(name)
    case .loop(let loop):
      return JinjaMethods.ofLoops.contains(name) ? .method(value, name) : loop.attribute(name)
    default: return .undefined(name)
    }
  }

  /// `value[key]`
  mutating func item(_ key: JinjaValue, of value: JinjaValue) throws(JinjaError) -> JinjaValue {
    switch (value, key) {
    case (.undefined(let name), _): throw failure("\"\(name)\" is undefined")
    case (.map(let map), .text(let name)):
      if let found = map[name] { return found }
      let text = String(decoding: name, as: UTF8.self)
      return JinjaMethods.ofMaps.contains(text) ? .method(value, text) : .undefined(text)
    case (.map(let map), .integer), (.map(let map), .bool):
      return JinjaMap.key(key).flatMap { map[$0] } ?? .undefined("item")
    case (.list(let list), _):
      guard let index = key.int else { break }
      let position = index < 0 ? index + list.elements.count : index
      guard list.elements.indices.contains(position) else { return .undefined("[\(index)]") }
      return list.elements[position]
    case (.text(let text), _):
      guard let index = key.int else { break }
      let scalars = JinjaText.scalars(text)
      try step(scalars.count)
      let position = index < 0 ? index + scalars.count : index
      guard scalars.indices.contains(position) else { return .undefined("[\(index)]") }
      return .text(JinjaText.bytes(scalars[position...position]))
    default: break
    }
    if case .text(let name) = key {
      return try attribute(String(decoding: name, as: UTF8.self), of: value)
    }
    return .undefined("item")
  }

  private mutating func slice(
    _ value: JinjaValue, _ start: Int?, _ stop: Int?, _ stride: Int?
  ) throws(JinjaError) -> JinjaValue {
    let stride = stride ?? 1
    if stride == 0 { throw failure("a slice cannot have stride 0") }
    func positions(_ count: Int) -> [Int] {
      func clamp(_ bound: Int?, _ fallback: Int) -> Int {
        guard let bound else { return fallback }
        let value = bound < 0 ? bound.addingReportingOverflow(count).partialValue : bound
        return stride > 0 ? min(max(value, 0), count) : min(max(value, -1), count - 1)
      }
      let first = clamp(start, stride > 0 ? 0 : count - 1)
      let end = clamp(stop, stride > 0 ? count : -1)
      let step = min(max(stride, -count - 1), count + 1)
      return Array(Swift.stride(from: first, to: end, by: step))
    }
    switch value {
    case .list(let list):
      return try self.list(positions(list.elements.count).map { list.elements[$0] })
    case .text(let text):
      let scalars = JinjaText.scalars(text)
      try step(scalars.count / 16)
      try charge(text.count)
      return .text(JinjaText.bytes(positions(scalars.count).map { scalars[$0] }))
    case .undefined(let name): throw failure("\"\(name)\" is undefined")
    default: throw failure("\(value.typeName) cannot be sliced")
    }
  }

  /// What a loop goes over.
  mutating func elements(of value: JinjaValue) throws(JinjaError) -> [JinjaValue] {
    switch value {
    case .undefined: return []
    case .list(let list): return list.elements
    case .map(let map): return map.keys.map(JinjaMap.value(ofKey:))
    case .text(let text):
      let scalars = JinjaText.scalars(text)
      try step(scalars.count)
      return scalars.indices.map { .text(JinjaText.bytes(scalars[$0...$0])) }
    default: throw failure("\(value.typeName) cannot be iterated")
    }
  }

  // MARK: Operators

  private mutating func compare(
    _ first: JinjaExpression, _ rest: [(JinjaExpression.Comparison, JinjaExpression)]
  ) throws(JinjaError) -> Bool {
    var left = try evaluate(first)
    for (comparison, expression) in rest {
      let right = try evaluate(expression)
      if try !compare(left, comparison, right) { return false }
      left = right
    }
    return true
  }

  mutating func compare(
    _ left: JinjaValue, _ comparison: JinjaExpression.Comparison, _ right: JinjaValue
  ) throws(JinjaError) -> Bool {
    switch comparison {
    case .equal: return try equal(left, right)
    case .notEqual: return try !equal(left, right)
    case .contained: return try contains(right, left)
    case .notContained: return try !contains(right, left)
    case .less: return try precedes(left, right)
    case .greater: return try precedes(right, left)
    case .lessOrEqual: return try !precedes(right, left)
    case .greaterOrEqual: return try !precedes(left, right)
    }
  }

  mutating func equal(_ left: JinjaValue, _ right: JinjaValue) throws(JinjaError) -> Bool {
    try step()
    switch (left, right) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.text(let first), .text(let second)): return first == second
    case (.list(let first), .list(let second)):
      guard first.elements.count == second.elements.count else { return false }
      for (a, b) in zip(first.elements, second.elements) where try !equal(a, b) { return false }
      return true
    case (.map(let first), .map(let second)):
      guard first.keys.count == second.keys.count else { return false }
      for (key, value) in first.members {
        guard let other = second[key], try equal(value, other) else { return false }
      }
      return true
    case (.namespace(let first), .namespace(let second)): return first === second
    default:
      if let first = left.int, let second = right.int { return first == second }
      if let first = left.number, let second = right.number { return first == second }
      return false
    }
  }

  mutating func precedes(_ left: JinjaValue, _ right: JinjaValue) throws(JinjaError) -> Bool {
    if let first = left.int, let second = right.int { return first < second }
    if let first = left.number, let second = right.number { return first < second }
    if case .text(let first) = left, case .text(let second) = right {
      return first.lexicographicallyPrecedes(second)
    }
    throw failure("\(left.typeName) and \(right.typeName) have no order")
  }

  /// `item in container`
  mutating func contains(
    _ container: JinjaValue, _ item: JinjaValue
  ) throws(JinjaError) -> Bool {
    switch (container, item) {
    case (.text(let text), .text(let part)):
      try step(text.count / 16)
      return JinjaText.find(part, in: text, from: 0) != nil
    case (.map(let map), _): return JinjaMap.key(item).flatMap { map[$0] } != nil
    case (.undefined, _): return false
    case (.list(let list), _):
      for element in list.elements where try equal(element, item) { return true }
      return false
    default: throw failure("\(container.typeName) cannot contain \(item.typeName)")
    }
  }

  private func negative(_ value: JinjaValue) throws(JinjaError) -> JinjaValue {
    if let integer = value.int {
      let (result, overflow) = 0.subtractingReportingOverflow(integer)
      if !overflow { return .integer(result) }
    }
    if case .float(let number) = value { return .float(-number) }
    throw failure("\(value.typeName) has no negative")
  }

  private mutating func arithmetic(
    _ symbol: String, _ left: JinjaValue, _ right: JinjaValue
  ) throws(JinjaError) -> JinjaValue {
    switch (symbol, left, right) {
    case ("+", .text(let first), .text(let second)):
      try charge(first.count + second.count)
      return .text(first + second)
    case ("+", .list(let first), .list(let second)):
      return try list(first.elements + second.elements)
    case ("*", .text(let text), _) where right.int != nil:
      return try repeated(text, right.int ?? 0)
    case ("*", _, .text(let text)) where left.int != nil:
      return try repeated(text, left.int ?? 0)
    case ("%", .text, _): throw JinjaError(.unsupported("% on strings"), line: line)
    default: break
    }
    if let first = left.int, let second = right.int, symbol != "/" {
      return .integer(try integer(symbol, first, second))
    }
    guard let first = left.number, let second = right.number else {
      throw failure("\(left.typeName) \(symbol) \(right.typeName) is not possible")
    }
    switch symbol {
    case "+": return .float(first + second)
    case "-": return .float(first - second)
    case "*": return .float(first * second)
    case "/" where second != 0: return .float(first / second)
    case "//" where second != 0: return .float((first / second).rounded(.down))
    case "%" where second != 0:
      return .float(first - (first / second).rounded(.down) * second)
    default: throw failure("\(symbol) of these numbers is not possible")
    }
  }

  private mutating func repeated(_ text: [UInt8], _ count: Int) throws(JinjaError) -> JinjaValue {
    let count = max(count, 0)
    let (size, overflow) = text.count.multipliedReportingOverflow(by: count)
    try charge(overflow ? JinjaEvaluator.byteLimit + 1 : size)
    return .text(Array(repeatElement(text, count: count).joined()))
  }

  private func integer(_ symbol: String, _ left: Int, _ right: Int) throws(JinjaError) -> Int {
    var result: (partialValue: Int, overflow: Bool)
    switch symbol {
    case "+": result = left.addingReportingOverflow(right)
    case "-": result = left.subtractingReportingOverflow(right)
    case "*": result = left.multipliedReportingOverflow(by: right)
    case "//", "%":
      // Python rounds down; the remainder has the divisor's sign.
      let quotient = left.dividedReportingOverflow(by: right)
      let remainder = left.remainderReportingOverflow(dividingBy: right)
      let isOff = remainder.partialValue != 0 && (remainder.partialValue < 0) != (right < 0)
      result =
        symbol == "//"
        ? (quotient.partialValue &- (isOff ? 1 : 0), quotient.overflow)
        : (remainder.partialValue &+ (isOff ? right : 0), remainder.overflow)
    case "**":
      result = (1, right < 0 || right > 64)
      for _ in 0..<min(max(right, 0), 64) where !result.overflow {
        result = result.partialValue.multipliedReportingOverflow(by: left)
      }
    default: result = (0, true)
    }
    if result.overflow { throw failure("\(left) \(symbol) \(right) is not possible") }
    return result.partialValue
  }
}
