// SPDX-License-Identifier: Apache-2.0

// Precedence, from loose to tight: inline if; or; and; not; comparison; + -; ~; * / // %; **; sign;
// postfix; filters and tests.
extension JinjaParser {
  /// An expression, or several with commas between as a list.
  mutating func tupleOrExpression(conditional: Bool = true) throws(JinjaError) -> JinjaExpression {
    let line = self.line
    let first = conditional ? try expression() : try or()
    guard isSymbol(",") else { return first }
    var elements = [first]
    while skip(symbol: ",") {
      if !startsExpression { break }
      elements.append(conditional ? try expression() : try or())
    }
    return JinjaExpression(kind: .list(elements), line: line)
  }

  private var startsExpression: Bool {
    switch current.kind {
    case .name, .text, .integer, .float: true
    case .symbol(let text): ["(", "[", "{", "-", "+"].contains(text)
    default: false
    }
  }

  mutating func expression() throws(JinjaError) -> JinjaExpression {
    try nested { (parser) throws(JinjaError) in try parser.choice() }
  }

  private mutating func choice() throws(JinjaError) -> JinjaExpression {
    var value = try or()
    var length = 0
    while isName("if") {
      try lengthen(&length)
      let line = self.line
      advance()
      let condition = try or()
      let otherwise = skip(name: "else") ? try expression() : nil
      value = JinjaExpression(
        kind: .choice(condition: condition, then: value, otherwise: otherwise), line: line)
    }
    return value
  }

  mutating func or() throws(JinjaError) -> JinjaExpression {
    var left = try and()
    var length = 0
    while isName("or") {
      try lengthen(&length)
      let line = self.line
      advance()
      left = JinjaExpression(kind: .or(left, try and()), line: line)
    }
    return left
  }

  private mutating func and() throws(JinjaError) -> JinjaExpression {
    var left = try not()
    var length = 0
    while isName("and") {
      try lengthen(&length)
      let line = self.line
      advance()
      left = JinjaExpression(kind: .and(left, try not()), line: line)
    }
    return left
  }

  private mutating func not() throws(JinjaError) -> JinjaExpression {
    let line = self.line
    guard skip(name: "not") else { return try comparison() }
    return try nested { (parser) throws(JinjaError) in
      JinjaExpression(kind: .not(try parser.not()), line: line)
    }
  }

  private mutating func comparison() throws(JinjaError) -> JinjaExpression {
    let line = self.line
    let left = try sum()
    var operations: [(JinjaExpression.Comparison, JinjaExpression)] = []
    while true {
      let operation: JinjaExpression.Comparison
      if case .symbol(let text) = current.kind,
        let found = JinjaExpression.Comparison(rawValue: text)
      {
        operation = found
        advance()
      } else if skip(name: "in") {
        operation = .contained
      } else if isName("not"), tokens[min(position + 1, tokens.count - 1)].kind == .name("in") {
        advance()
        advance()
        operation = .notContained
      } else {
        break
      }
      operations.append((operation, try sum()))
    }
    if operations.isEmpty { return left }
    return JinjaExpression(kind: .comparison(left, operations), line: line)
  }

  private mutating func sum() throws(JinjaError) -> JinjaExpression {
    var left = try concatenation()
    var length = 0
    while case .symbol(let text) = current.kind, text == "+" || text == "-" {
      try lengthen(&length)
      let line = self.line
      advance()
      left = JinjaExpression(kind: .arithmetic(text, left, try concatenation()), line: line)
    }
    return left
  }

  private mutating func concatenation() throws(JinjaError) -> JinjaExpression {
    let line = self.line
    var parts = [try product()]
    while skip(symbol: "~") { parts.append(try product()) }
    return parts.count == 1
      ? parts[0] : JinjaExpression(kind: .concatenation(parts), line: line)
  }

  private mutating func product() throws(JinjaError) -> JinjaExpression {
    var left = try power()
    var length = 0
    while case .symbol(let text) = current.kind, ["*", "/", "//", "%"].contains(text) {
      try lengthen(&length)
      let line = self.line
      advance()
      left = JinjaExpression(kind: .arithmetic(text, left, try power()), line: line)
    }
    return left
  }

  private mutating func power() throws(JinjaError) -> JinjaExpression {
    var left = try sign()
    var length = 0
    while isSymbol("**") {
      try lengthen(&length)
      let line = self.line
      advance()
      left = JinjaExpression(kind: .arithmetic("**", left, try sign()), line: line)
    }
    return left
  }

  private mutating func sign(filters: Bool = true) throws(JinjaError) -> JinjaExpression {
    let line = self.line
    var value: JinjaExpression
    if isSymbol("-") || isSymbol("+") {
      let isNegative = isSymbol("-")
      advance()
      let operand = try nested { (parser) throws(JinjaError) in try parser.sign(filters: false) }
      value =
        isNegative
        ? JinjaExpression(kind: .negative(operand), line: line) : operand
    } else {
      value = try primary()
    }
    value = try postfix(value)
    return filters ? try filtersAndTests(value) : value
  }

  /// Counts the links of a chain, which is a tree as deep as it is long.
  private func lengthen(_ length: inout Int) throws(JinjaError) {
    length += 1
    if length > JinjaParser.depthLimit {
      throw JinjaError(
        .limit("more than \(JinjaParser.depthLimit) operations in a row"), line: line)
    }
  }

  // MARK: Operands

  private mutating func primary() throws(JinjaError) -> JinjaExpression {
    let line = self.line
    func literal(_ value: JinjaLiteral) -> JinjaExpression {
      JinjaExpression(kind: .literal(value), line: line)
    }
    switch current.kind {
    case .name(let name):
      advance()
      switch name {
      case "true", "True": return literal(.bool(true))
      case "false", "False": return literal(.bool(false))
      case "none", "None": return literal(.none)
      default: return JinjaExpression(kind: .name(name), line: line)
      }
    case .text(let first):
      advance()
      var text = first
      // Strings that follow one another are one, as in Python.
      while case .text(let more) = current.kind {
        text += more
        advance()
      }
      return literal(.text(text))
    case .integer(let value):
      advance()
      return literal(.integer(value))
    case .float(let value):
      advance()
      return literal(.float(value))
    case .symbol("("):
      advance()
      if skip(symbol: ")") { return JinjaExpression(kind: .list([]), line: line) }
      let value = try tupleOrExpression()
      try expect(symbol: ")")
      return value
    case .symbol("["):
      advance()
      var elements: [JinjaExpression] = []
      while !isSymbol("]") {
        if !elements.isEmpty { try expect(symbol: ",") }
        if isSymbol("]") { break }
        elements.append(try expression())
      }
      advance()
      return JinjaExpression(kind: .list(elements), line: line)
    case .symbol("{"):
      advance()
      var members: [(key: JinjaExpression, value: JinjaExpression)] = []
      while !isSymbol("}") {
        if !members.isEmpty { try expect(symbol: ",") }
        if isSymbol("}") { break }
        let key = try expression()
        try expect(symbol: ":")
        members.append((key, try expression()))
      }
      advance()
      return JinjaExpression(kind: .map(members), line: line)
    default: throw unexpected("an expression")
    }
  }

  private mutating func postfix(_ value: JinjaExpression) throws(JinjaError) -> JinjaExpression {
    var value = value
    var length = 0
    while true {
      try lengthen(&length)
      let line = self.line
      if skip(symbol: ".") {
        if case .integer(let index) = current.kind {
          advance()
          let key = JinjaExpression(kind: .literal(.integer(index)), line: line)
          value = JinjaExpression(kind: .item(value, key), line: line)
        } else {
          value = JinjaExpression(kind: .attribute(value, try expectName()), line: line)
        }
      } else if skip(symbol: "[") {
        value = JinjaExpression(kind: try subscripted(value), line: line)
      } else if isSymbol("(") {
        value = JinjaExpression(kind: .call(value, try arguments()), line: line)
      } else {
        return value
      }
    }
  }

  private mutating func subscripted(
    _ value: JinjaExpression
  ) throws(JinjaError) -> JinjaExpression.Kind {
    var bounds: [JinjaExpression?] = [nil]
    while !isSymbol("]") {
      if skip(symbol: ":") {
        bounds.append(nil)
        if bounds.count > 3 { throw unexpected("\"]\"") }
      } else {
        if bounds[bounds.count - 1] != nil { throw unexpected("\"]\"") }
        bounds[bounds.count - 1] = try expression()
      }
    }
    advance()
    if bounds.count == 1 {
      guard let key = bounds[0] else { throw unexpected("an expression") }
      return .item(value, key)
    }
    return .slice(value, bounds[0], bounds[1], bounds.count > 2 ? bounds[2] : nil)
  }

  private mutating func arguments() throws(JinjaError) -> JinjaArguments {
    var result = JinjaArguments()
    try expect(symbol: "(")
    var isFirst = true
    while !isSymbol(")") {
      if !isFirst { try expect(symbol: ",") }
      if isSymbol(")") { break }
      isFirst = false
      if isSymbol("*") || isSymbol("**") {
        throw JinjaError(.unsupported("spreading arguments"), line: line)
      }
      if case .name(let name) = current.kind,
        tokens[min(position + 1, tokens.count - 1)].kind == .symbol("=")
      {
        advance()
        advance()
        result.named.append((name, try expression()))
      } else {
        result.positional.append(try expression())
      }
    }
    advance()
    return result
  }

  // MARK: Filters and tests

  private mutating func filtersAndTests(
    _ value: JinjaExpression
  ) throws(JinjaError) -> JinjaExpression {
    var value = value
    var length = 0
    while true {
      try lengthen(&length)
      let line = self.line
      if skip(symbol: "|") {
        value = JinjaExpression(kind: .filter(value, try filterCall()), line: line)
      } else if skip(name: "is") {
        value = try test(value, line)
      } else if isSymbol("(") {
        value = JinjaExpression(kind: .call(value, try arguments()), line: line)
      } else {
        return value
      }
    }
  }

  mutating func filterCall() throws(JinjaError) -> JinjaFilterCall {
    let line = self.line
    let name = try expectName()
    guard conditions > 0 || JinjaFilters.names.contains(name) else {
      throw JinjaError(.unsupported("the filter \(name)"), line: line)
    }
    let arguments = isSymbol("(") ? try arguments() : JinjaArguments()
    return JinjaFilterCall(name: name, arguments: arguments, line: line)
  }

  private mutating func test(
    _ value: JinjaExpression, _ line: Int
  ) throws(JinjaError) -> JinjaExpression {
    let isNegated = skip(name: "not")
    var name: String
    if case .symbol(let text) = current.kind, text == "==" || text == "!=" {
      name = text
      advance()
    } else {
      name = try expectName()
    }
    if name == "None" { name = "none" }
    guard conditions > 0 || JinjaTests.names.contains(name) else {
      throw JinjaError(.unsupported("the test \(name)"), line: line)
    }
    var argument: JinjaExpression?
    if isSymbol("(") {
      let found = try arguments()
      guard found.positional.count <= 1, found.named.isEmpty else {
        throw JinjaError(.unsupported("several arguments of a test"), line: line)
      }
      argument = found.positional.first
    } else if startsTestArgument {
      argument = try postfix(try primary())
    }
    let test = JinjaExpression(kind: .test(value, name: name, argument: argument), line: line)
    return isNegated ? JinjaExpression(kind: .not(test), line: line) : test
  }

  private var startsTestArgument: Bool {
    switch current.kind {
    case .name(let name): !["else", "or", "and", "if", "is", "in", "not"].contains(name)
    case .text, .integer, .float: true
    case .symbol(let text): ["[", "{"].contains(text)
    default: false
    }
  }
}
