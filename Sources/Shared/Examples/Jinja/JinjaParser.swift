// SPDX-License-Identifier: Apache-2.0

/// Builds statements out of tokens. Statements, filters and tests that we do not have are refused
/// here by name, before anything is rendered.
struct JinjaParser {
  var tokens: [JinjaToken]
  var position = 0
  /// Nesting of expressions and statements being read.
  var depth = 0
  private var loops = 0
  /// `if` blocks around what is being read. Inside of one, as in Jinja, an unknown filter or test
  /// is refused only when it is reached.
  var conditions = 0

  static let depthLimit = 100

  static func parse(_ template: String) throws(JinjaError) -> [JinjaStatement] {
    var parser = JinjaParser(tokens: try JinjaLexer.tokens(of: template))
    let statements = try parser.statements(until: [])
    return statements
  }

  private init(tokens: [JinjaToken]) { self.tokens = tokens }

  // MARK: Tokens

  var current: JinjaToken { tokens[min(position, tokens.count - 1)] }
  var line: Int { current.line }

  mutating func advance() { position += 1 }

  func isSymbol(_ text: String) -> Bool { current.kind == .symbol(text) }
  func isName(_ text: String) -> Bool { current.kind == .name(text) }

  mutating func skip(symbol text: String) -> Bool {
    if !isSymbol(text) { return false }
    advance()
    return true
  }

  mutating func skip(name text: String) -> Bool {
    if !isName(text) { return false }
    advance()
    return true
  }

  mutating func expect(symbol text: String) throws(JinjaError) {
    if !skip(symbol: text) { throw unexpected("\"\(text)\"") }
  }

  mutating func expectName() throws(JinjaError) -> String {
    guard case .name(let name) = current.kind else { throw unexpected("a name") }
    advance()
    return name
  }

  func unexpected(_ expected: String) -> JinjaError {
    let found =
      switch current.kind {
      case .data: "text"
      case .blockBegin: "\"{%\""
      case .blockEnd: "\"%}\""
      case .variableBegin: "\"{{\""
      case .variableEnd: "\"}}\""
      case .name(let name): "\"\(name)\""
      case .text: "a string"
      case .integer, .float: "a number"
      case .symbol(let text): "\"\(text)\""
      case .end: "the end of the template"
      }
    return JinjaError(.syntax("expected \(expected), found \(found)"), line: line)
  }

  mutating func nested<Result>(
    _ body: (inout JinjaParser) throws(JinjaError) -> Result
  ) throws(JinjaError) -> Result {
    depth += 1
    defer { depth -= 1 }
    if depth > JinjaParser.depthLimit {
      throw JinjaError(.limit("nested more than \(JinjaParser.depthLimit) deep"), line: line)
    }
    return try body(&self)
  }

  // MARK: Statements

  /// Statements up to a tag that begins with one of `ends`, whose name is left current; up to the
  /// end of the template if there are none.
  private mutating func statements(until ends: [String]) throws(JinjaError) -> [JinjaStatement] {
    var result: [JinjaStatement] = []
    while true {
      let line = self.line
      switch current.kind {
      case .end:
        if ends.isEmpty { return result }
        throw unexpected(ends.joined(separator: " or "))
      case .data(let text):
        advance()
        result.append(JinjaStatement(kind: .data(text), line: line))
      case .variableBegin:
        advance()
        let value = try tupleOrExpression()
        guard current.kind == .variableEnd else { throw unexpected("\"}}\"") }
        advance()
        result.append(JinjaStatement(kind: .output(value), line: line))
      case .blockBegin:
        advance()
        if case .name(let name) = current.kind, ends.contains(name) { return result }
        let kind = try nested { (parser) throws(JinjaError) in try parser.statement() }
        result.append(JinjaStatement(kind: kind, line: line))
      default: throw unexpected("text or a tag")
      }
    }
  }

  private mutating func endBlock() throws(JinjaError) {
    guard current.kind == .blockEnd else { throw unexpected("\"%}\"") }
    advance()
  }

  /// The statements of a block, and the name of the tag that ended it (consumed, with its end).
  private mutating func body(until end: String) throws(JinjaError) -> [JinjaStatement] {
    try endBlock()
    let result = try statements(until: [end])
    advance()
    try endBlock()
    return result
  }

  private mutating func statement() throws(JinjaError) -> JinjaStatement.Kind {
    let line = self.line
    let name = try expectName()
    switch name {
    case "if": return try conditional()
    case "for": return try loop()
    case "set": return try set()
    case "macro": return try macro()
    case "generation": return .generation(try body(until: "endgeneration"))
    case "filter":
      let filters = try filterCalls()
      return .filterBlock(filters, try body(until: "endfilter"))
    case "call":
      if isSymbol("(") { throw JinjaError(.unsupported("call with parameters"), line: line) }
      let call = try expression()
      guard case .call = call.kind else { throw unexpected("a call") }
      return .call(call, try body(until: "endcall"))
    case "break", "continue":
      if loops == 0 { throw JinjaError(.syntax("\(name) outside of a loop"), line: line) }
      try endBlock()
      return name == "break" ? .leaveLoop : .continueLoop
    default: throw JinjaError(.unsupported("{% \(name) %}"), line: line)
    }
  }

  private mutating func conditional() throws(JinjaError) -> JinjaStatement.Kind {
    var branches: [(condition: JinjaExpression, body: [JinjaStatement])] = []
    var otherwise: [JinjaStatement] = []
    while true {
      let condition = try tupleOrExpression()
      try endBlock()
      conditions += 1
      branches.append((condition, try statements(until: ["elif", "else", "endif"])))
      conditions -= 1
      if skip(name: "elif") { continue }
      if skip(name: "else") {
        try endBlock()
        conditions += 1
        otherwise = try statements(until: ["endif"])
        conditions -= 1
      }
      advance()
      try endBlock()
      return .conditional(branches, otherwise)
    }
  }

  private mutating func loop() throws(JinjaError) -> JinjaStatement.Kind {
    let target = try self.target(attributes: false)
    guard skip(name: "in") else { throw unexpected("\"in\"") }
    let items = try tupleOrExpression(conditional: false)
    let condition = skip(name: "if") ? try expression() : nil
    if isName("recursive") { throw JinjaError(.unsupported("a recursive loop"), line: line) }
    try endBlock()
    loops += 1
    let body = try statements(until: ["else", "endfor"])
    loops -= 1
    var otherwise: [JinjaStatement] = []
    if skip(name: "else") {
      try endBlock()
      otherwise = try statements(until: ["endfor"])
    }
    advance()
    try endBlock()
    return .loop(
      target: target, items: items, condition: condition, body: body, otherwise: otherwise)
  }

  private mutating func set() throws(JinjaError) -> JinjaStatement.Kind {
    let target = try self.target(attributes: true)
    if skip(symbol: "=") {
      let value = try tupleOrExpression()
      try endBlock()
      return .set(target, value)
    }
    let filters = isSymbol("|") ? try pipedFilters() : []
    return .setBlock(target, filters, try body(until: "endset"))
  }

  private mutating func macro() throws(JinjaError) -> JinjaStatement.Kind {
    let name = try expectName()
    try expect(symbol: "(")
    var parameters: [(name: String, fallback: JinjaExpression?)] = []
    while !isSymbol(")") {
      if !parameters.isEmpty { try expect(symbol: ",") }
      let parameter = try expectName()
      parameters.append((parameter, skip(symbol: "=") ? try expression() : nil))
    }
    advance()
    let outer = loops
    loops = 0
    let body = try body(until: "endmacro")
    loops = outer
    return .macro(JinjaMacro(name: name, parameters: parameters, body: body))
  }

  private mutating func target(attributes: Bool) throws(JinjaError) -> JinjaTarget {
    var targets: [JinjaTarget] = []
    let inParentheses = skip(symbol: "(")
    repeat {
      let name = try expectName()
      if attributes, skip(symbol: ".") {
        targets.append(.attribute(name, try expectName()))
      } else {
        targets.append(.name(name))
      }
    } while skip(symbol: ",")
    if inParentheses { try expect(symbol: ")") }
    return targets.count == 1 ? targets[0] : .several(targets)
  }

  /// `name(…) | name …` of a filter block.
  private mutating func filterCalls() throws(JinjaError) -> [JinjaFilterCall] {
    [try filterCall()] + (isSymbol("|") ? try pipedFilters() : [])
  }

  private mutating func pipedFilters() throws(JinjaError) -> [JinjaFilterCall] {
    var filters: [JinjaFilterCall] = []
    while skip(symbol: "|") { filters.append(try filterCall()) }
    return filters
  }
}
