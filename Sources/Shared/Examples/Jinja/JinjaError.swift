// SPDX-License-Identifier: Apache-2.0

/// Why a chat template could not be read or rendered.
package struct JinjaError: Error, Equatable, Sendable {
  package enum Problem: Equatable, Sendable {
    /// The text is no Jinja.
    case syntax(String)
    /// A construct of Jinja that we do not have.
    case unsupported(String)
    /// An operation on values that do not fit.
    case evaluation(String)
    /// The template itself refused the conversation (`raise_exception`).
    case refused(String)
    /// More steps, output or depth than a chat template may take.
    case limit(String)
  }

  package let problem: Problem
  /// Line of the template, from 1.
  package let line: Int

  package init(_ problem: Problem, line: Int) {
    self.problem = problem
    self.line = line
  }

  /// One line, with the template's line.
  package var message: String {
    switch problem {
    case .syntax(let text): "line \(line): \(text)"
    case .unsupported(let name): "line \(line): \(name) is not supported"
    case .evaluation(let text): "line \(line): \(text)"
    case .refused(let text): "line \(line): \(text)"
    case .limit(let text): "line \(line): \(text)"
    }
  }
}
