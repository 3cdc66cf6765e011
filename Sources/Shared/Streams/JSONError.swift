// SPDX-License-Identifier: Apache-2.0

/// Why bytes are no JSON, and at which byte.
package struct JSONError: Error, Equatable, Sendable {
  package enum Problem: Equatable, Sendable {
    /// The text ends inside a value.
    case unexpectedEnd
    /// Something else stands where `expected` should be.
    case expected(String, found: String)
    case invalidEscape
    case invalidUTF8
    /// A raw control character inside a string.
    case controlCharacter
    case invalidNumber
    /// Half of a UTF-16 surrogate pair.
    case loneSurrogate
    case duplicateKey(String)
    case tooDeep(limit: Int)
    /// More text after the value.
    case trailingCharacters
  }
  package let problem: Problem
  /// Offset of the byte at fault, from 0.
  package let offset: Int

  package init(_ problem: Problem, at offset: Int) {
    self.problem = problem
    self.offset = offset
  }

  /// What is wrong, in words.
  package var message: String {
    let text =
      switch problem {
      case .unexpectedEnd: "ends too early"
      case .expected(let expected, let found): "expected \(expected), found \(found)"
      case .invalidEscape: "invalid escape in a string"
      case .invalidUTF8: "invalid UTF-8"
      case .controlCharacter: "unescaped control character in a string"
      case .invalidNumber: "invalid number"
      case .loneSurrogate: "half of a surrogate pair in a string"
      case .duplicateKey(let key): "duplicate key \"\(key)\""
      case .tooDeep(let limit): "nested deeper than \(limit) levels"
      case .trailingCharacters: "more text after the value"
      }
    return "malformed JSON at byte \(offset + 1): \(text)"
  }
}
