// SPDX-License-Identifier: Apache-2.0

/// A statement of a template, with its line.
struct JinjaStatement: Sendable {
  indirect enum Kind: Sendable {
    case data([UInt8])
    case output(JinjaExpression)
    case conditional([(condition: JinjaExpression, body: [JinjaStatement])], [JinjaStatement])
    case loop(
      target: JinjaTarget, items: JinjaExpression, condition: JinjaExpression?,
      body: [JinjaStatement], otherwise: [JinjaStatement])
    case set(JinjaTarget, JinjaExpression)
    /// `{% set x %}…{% endset %}`, the filters applied in order.
    case setBlock(JinjaTarget, [JinjaFilterCall], [JinjaStatement])
    case filterBlock([JinjaFilterCall], [JinjaStatement])
    case macro(JinjaMacro)
    /// `{% call macro(…) %}…{% endcall %}`
    case call(JinjaExpression, [JinjaStatement])
    case generation([JinjaStatement])
    case leaveLoop, continueLoop
  }
  let kind: Kind
  let line: Int
}

/// What `set` and `for` assign to.
indirect enum JinjaTarget: Sendable {
  case name(String)
  case attribute(String, String)
  case several([JinjaTarget])
}

struct JinjaMacro: Sendable {
  let name: String
  let parameters: [(name: String, fallback: JinjaExpression?)]
  let body: [JinjaStatement]
}

struct JinjaFilterCall: Sendable {
  let name: String
  let arguments: JinjaArguments
  let line: Int
}

struct JinjaArguments: Sendable {
  var positional: [JinjaExpression] = []
  var named: [(name: String, value: JinjaExpression)] = []
}

/// An expression, with its line.
struct JinjaExpression: Sendable {
  enum Comparison: String, Sendable {
    case equal = "==", notEqual = "!=", less = "<", lessOrEqual = "<=", greater = ">"
    case greaterOrEqual = ">=", contained = "in", notContained = "not in"
  }

  indirect enum Kind: Sendable {
    case literal(JinjaLiteral)
    case name(String)
    case list([JinjaExpression])
    case map([(key: JinjaExpression, value: JinjaExpression)])
    case attribute(JinjaExpression, String)
    case item(JinjaExpression, JinjaExpression)
    case slice(JinjaExpression, JinjaExpression?, JinjaExpression?, JinjaExpression?)
    case call(JinjaExpression, JinjaArguments)
    case filter(JinjaExpression, JinjaFilterCall)
    case test(JinjaExpression, name: String, argument: JinjaExpression?)
    case not(JinjaExpression)
    case negative(JinjaExpression)
    case and(JinjaExpression, JinjaExpression)
    case or(JinjaExpression, JinjaExpression)
    case comparison(JinjaExpression, [(Comparison, JinjaExpression)])
    /// `+ - * / // % **`
    case arithmetic(String, JinjaExpression, JinjaExpression)
    case concatenation([JinjaExpression])
    case choice(condition: JinjaExpression, then: JinjaExpression, otherwise: JinjaExpression?)
  }
  let kind: Kind
  let line: Int
}

enum JinjaLiteral: Sendable {
  case none
  case bool(Bool)
  case integer(Int)
  case float(Double)
  case text([UInt8])
}
