// SPDX-License-Identifier: Apache-2.0
package import Streams

// A small, closed Jinja: what chat templates of language models use of it, and nothing that could
// reach a file, a clock or code. Lexer, parser, evaluator; after Jinja 3.1 in the environment of
// transformers (trim_blocks, lstrip_blocks, loop controls, an immutable sandbox).

/// A parsed template.
package struct JinjaTemplate: Sendable {
  private let statements: [JinjaStatement]
  /// Whether it marks what the assistant says with `{% generation %}`.
  package let hasGeneration: Bool

  /// - Throws: ``JinjaError`` for a syntax error, or a construct that we do not have.
  package init(_ text: String) throws(JinjaError) {
    statements = try JinjaParser.parse(text)
    hasGeneration = JinjaTemplate.hasGeneration(statements)
  }

  /// The text for these variables, and the byte ranges that `{% generation %}` marks.
  ///
  /// - Throws: ``JinjaError``.
  package func render(
    _ variables: JSONObject
  ) throws(JinjaError) -> (text: [UInt8], spans: [Range<Int>]) {
    var evaluator = JinjaEvaluator(
      variables: variables.members.map { ($0.key, JinjaTemplate.value($0.value)) })
    return try evaluator.render(statements)
  }

  private static func value(_ json: JSONValue) -> JinjaValue {
    switch json {
    case .null: .none
    case .boolean(let flag): .bool(flag)
    case .integer(let number): .integer(number)
    case .double(let number): .float(number)
    case .string(let text): .text(text)
    case .array(let elements): .list(JinjaList(elements.map(value)))
    case .object(let object):
      .map(JinjaMap(object.members.map { (Array($0.key.utf8), value($0.value)) }))
    }
  }

  private static func hasGeneration(_ statements: [JinjaStatement]) -> Bool {
    statements.contains { statement in
      switch statement.kind {
      case .generation: true
      case .conditional(let branches, let otherwise):
        branches.contains { hasGeneration($0.body) } || hasGeneration(otherwise)
      case .loop(_, _, _, let body, let otherwise):
        hasGeneration(body) || hasGeneration(otherwise)
      default: false
      }
    }
  }
}
