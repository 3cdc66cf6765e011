// SPDX-License-Identifier: Apache-2.0

/// Renders parsed statements once. Steps, bytes and depth are bounded, so that no template can hang
/// or fill the memory; nothing outside of the variables can be reached.
struct JinjaEvaluator {
  /// What a statement did to the loop around it.
  private enum Flow { case next, leaveLoop, continueLoop }

  static let stepLimit = 2_000_000
  static let byteLimit = 1 << 28
  static let depthLimit = 160

  var scope = JinjaScope(parent: nil)
  private let globals: JinjaScope
  private var output: [UInt8] = []
  /// Byte ranges of `{% generation %}` blocks.
  private var spans: [Range<Int>] = []
  /// Blocks whose output is caught (macros, `set` blocks) around the current statement.
  private var captures = 0
  private var steps = 0
  private var bytes = 0
  private var depth = 0
  private var macros: [(macro: JinjaMacro, scope: JinjaScope)] = []
  private var callers: [(body: [JinjaStatement], scope: JinjaScope)] = []
  /// Line of what is being evaluated, for errors.
  var line = 1

  init(variables: [(name: String, value: JinjaValue)]) {
    globals = JinjaScope(parent: nil)
    for name in JinjaFunctions.names { globals.variables[name] = .function(name) }
    scope = JinjaScope(parent: globals)
    for (name, value) in variables { scope.variables[name] = value }
  }

  mutating func render(
    _ statements: [JinjaStatement]
  ) throws(JinjaError) -> (text: [UInt8], spans: [Range<Int>]) {
    _ = try run(statements)
    return (output, spans)
  }

  // MARK: Limits

  func failure(_ message: String) -> JinjaError { JinjaError(.evaluation(message), line: line) }

  mutating func step(_ count: Int = 1) throws(JinjaError) {
    steps += count
    if steps > JinjaEvaluator.stepLimit {
      throw JinjaError(
        .limit("more than \(JinjaEvaluator.stepLimit) steps"), line: line)
    }
  }

  /// Accounts for memory that a value takes.
  mutating func charge(_ count: Int) throws(JinjaError) {
    bytes += count
    if bytes > JinjaEvaluator.byteLimit {
      throw JinjaError(.limit("more than \(JinjaEvaluator.byteLimit >> 20) MiB"), line: line)
    }
  }

  mutating func nested<Result>(
    _ body: (inout JinjaEvaluator) throws(JinjaError) -> Result
  ) throws(JinjaError) -> Result {
    depth += 1
    defer { depth -= 1 }
    if depth > JinjaEvaluator.depthLimit {
      throw JinjaError(.limit("more than \(JinjaEvaluator.depthLimit) levels"), line: line)
    }
    return try body(&self)
  }

  mutating func list(
    _ elements: [JinjaValue], isTuple: Bool = false
  ) throws(JinjaError) -> JinjaValue {
    try step(elements.count)
    let list = JinjaList(elements, isTuple: isTuple)
    if list.depth > JinjaList.depthLimit { throw failure("lists nested too deep") }
    return .list(list)
  }

  mutating func map(
    _ members: [(key: [UInt8], value: JinjaValue)]
  ) throws(JinjaError) -> JinjaValue {
    try step(members.count)
    let map = JinjaMap(members)
    if map.depth > JinjaList.depthLimit { throw failure("mappings nested too deep") }
    return .map(map)
  }

  // MARK: Statements

  private mutating func run(_ statements: [JinjaStatement]) throws(JinjaError) -> Flow {
    for statement in statements {
      line = statement.line
      try step()
      let flow = try nested { (evaluator) throws(JinjaError) in try evaluator.run(statement) }
      if flow != .next { return flow }
    }
    return .next
  }

  private mutating func write(_ text: [UInt8]) throws(JinjaError) {
    try charge(text.count)
    output += text
  }

  private mutating func run(_ statement: JinjaStatement) throws(JinjaError) -> Flow {
    switch statement.kind {
    case .data(let text): try write(text)
    case .output(let expression):
      let value = try evaluate(expression)
      try write(try self.text(of: value))
    case .conditional(let branches, let otherwise):
      for branch in branches where try evaluate(branch.condition).isTrue {
        return try run(branch.body)
      }
      return try run(otherwise)
    case .loop(let target, let items, let condition, let body, let otherwise):
      return try loop(target, items, condition, body, otherwise)
    case .set(let target, let expression): try assign(try evaluate(expression), to: target)
    case .setBlock(let target, let filters, let body):
      var value = JinjaValue.text(try captured(body, in: JinjaScope(parent: scope)))
      for filter in filters { value = try apply(filter, to: value) }
      try assign(value, to: target)
    case .filterBlock(let filters, let body):
      var value = JinjaValue.text(try captured(body, in: JinjaScope(parent: scope)))
      for filter in filters { value = try apply(filter, to: value) }
      try write(try text(of: value))
    case .macro(let macro):
      scope.variables[macro.name] = .macro(macros.count)
      macros.append((macro, scope))
    case .call(let call, let body):
      callers.append((body, scope))
      guard case .call(let function, let arguments) = call.kind else { break }
      let called = try evaluate(function)
      guard case .macro(let index) = called else { throw failure("call needs a macro") }
      let value = try run(
        macro: index, try evaluate(arguments), caller: .caller(callers.count - 1))
      try write(try text(of: value))
    case .generation(let body):
      if captures > 0 {
        throw JinjaError(
          .unsupported("generation inside of a macro or a set block"), line: statement.line)
      }
      let start = output.count
      let flow = try inScope { (evaluator) throws(JinjaError) in try evaluator.run(body) }
      if output.count > start { spans.append(start..<output.count) }
      return flow
    case .leaveLoop: return .leaveLoop
    case .continueLoop: return .continueLoop
    }
    return .next
  }

  private mutating func inScope<Result>(
    _ body: (inout JinjaEvaluator) throws(JinjaError) -> Result
  ) throws(JinjaError) -> Result {
    let outer = scope
    scope = JinjaScope(parent: outer)
    defer { scope = outer }
    return try body(&self)
  }

  /// What statements write, instead of writing it.
  private mutating func captured(
    _ body: [JinjaStatement], in inner: JinjaScope
  ) throws(JinjaError) -> [UInt8] {
    let outerScope = scope
    let outerOutput = output
    scope = inner
    output = []
    captures += 1
    defer {
      captures -= 1
      scope = outerScope
      output = outerOutput
    }
    _ = try run(body)
    return output
  }

  private mutating func loop(
    _ target: JinjaTarget, _ items: JinjaExpression, _ condition: JinjaExpression?,
    _ body: [JinjaStatement], _ otherwise: [JinjaStatement]
  ) throws(JinjaError) -> Flow {
    var elements = try self.elements(of: try evaluate(items))
    let outer = scope
    defer { scope = outer }
    if let condition {
      var kept: [JinjaValue] = []
      for element in elements {
        scope = JinjaScope(parent: outer)
        try assign(element, to: target)
        if try evaluate(condition).isTrue { kept.append(element) }
      }
      elements = kept
    }
    scope = outer
    if elements.isEmpty {
      return try inScope { (evaluator) throws(JinjaError) in try evaluator.run(otherwise) }
    }
    let state = JinjaLoop(elements)
    for index in elements.indices {
      state.index = index
      scope = JinjaScope(parent: outer)
      scope.variables["loop"] = .loop(state)
      try assign(elements[index], to: target)
      if try run(body) == .leaveLoop { break }
    }
    return .next
  }

  private mutating func assign(
    _ value: JinjaValue, to target: JinjaTarget
  ) throws(JinjaError) {
    switch target {
    case .name(let name): scope.variables[name] = value
    case .attribute(let name, let attribute):
      guard case .namespace(let namespace)? = scope.find(name) else {
        throw failure("cannot set an attribute of \"\(name)\", which is no namespace")
      }
      if value.depth >= JinjaList.depthLimit {
        throw failure("cannot put \(value.typeName) into a namespace")
      }
      namespace.members[attribute] = value
    case .several(let targets):
      let parts = try elements(of: value)
      guard parts.count == targets.count else {
        throw failure("expected \(targets.count) values, found \(parts.count)")
      }
      for (target, part) in zip(targets, parts) { try assign(part, to: target) }
    }
  }

  // MARK: Calls

  /// Arguments with their values.
  struct Values {
    var positional: [JinjaValue] = []
    var named: [(name: String, value: JinjaValue)] = []

    subscript(index: Int, name: String) -> JinjaValue? {
      index < positional.count ? positional[index] : named.first { $0.name == name }?.value
    }
  }

  mutating func evaluate(_ arguments: JinjaArguments) throws(JinjaError) -> Values {
    var values = Values()
    for argument in arguments.positional { values.positional.append(try evaluate(argument)) }
    for (name, value) in arguments.named { values.named.append((name, try evaluate(value))) }
    return values
  }

  mutating func call(_ function: JinjaValue, _ arguments: Values) throws(JinjaError) -> JinjaValue {
    switch function {
    case .macro(let index): return try run(macro: index, arguments, caller: nil)
    case .caller(let index):
      let caller = callers[index]
      return .text(try captured(caller.body, in: JinjaScope(parent: caller.scope)))
    case .function(let name): return try callFunction(name, arguments)
    case .method(let value, let name): return try callMethod(name, of: value, arguments)
    default: throw failure("\(function.typeName) cannot be called")
    }
  }

  private mutating func run(
    macro index: Int, _ arguments: Values, caller: JinjaValue?
  ) throws(JinjaError) -> JinjaValue {
    let (macro, definingScope) = macros[index]
    guard arguments.positional.count <= macro.parameters.count else {
      throw failure("macro \(macro.name) takes \(macro.parameters.count) arguments")
    }
    for (name, _) in arguments.named where !macro.parameters.contains(where: { $0.name == name }) {
      throw failure("macro \(macro.name) has no parameter \(name)")
    }
    let inner = JinjaScope(parent: definingScope)
    if let caller { inner.variables["caller"] = caller }
    let outer = scope
    for (position, parameter) in macro.parameters.enumerated() {
      if let value = arguments[position, parameter.name] {
        inner.variables[parameter.name] = value
      } else if let fallback = parameter.fallback {
        scope = inner
        defer { scope = outer }
        inner.variables[parameter.name] = try evaluate(fallback)
      } else {
        inner.variables[parameter.name] = .undefined(parameter.name)
      }
    }
    return .text(
      try nested { (evaluator) throws(JinjaError) in
        try evaluator.captured(macro.body, in: inner)
      })
  }
}
