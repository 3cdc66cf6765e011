// SPDX-License-Identifier: Apache-2.0
package import GGUF
package import Streams

/// Why a tokenizer could not be loaded.
package enum TokenizerError: Error, Equatable, Sendable {
  /// A file could not be opened or read.
  case stream(StreamError)
  /// A GGUF file is damaged or lacks a key.
  case gguf(GGUFError)
  /// The folder holds no `tokenizer.json` and no `tokenizer.model`.
  case noTokenizer(path: String)
  /// The text is no JSON.
  case malformed(path: String, error: JSONError)
  /// The file could not be read as a tokenizer.json for another reason.
  case unreadable(path: String, reason: String)
  /// A field that must be there is not.
  case missingField(path: String, field: String)
  /// A field has another type or value than the format allows.
  case invalidField(path: String, field: String, expected: String, found: String)
  /// A component (normalizer, pre-tokenizer, model, …) that we do not support.
  case unsupported(path: String, component: String, found: String)
  /// Two ids for one token, or two tokens for one id.
  case duplicateToken(path: String, token: String)
  /// An id below 0 or above ``Vocabulary/idLimit``.
  case invalidID(path: String, token: String, id: Int)
  /// A merge names a token that the vocabulary lacks; `index` counts from 0.
  case unknownMerge(path: String, index: Int, token: String)
}

extension TokenizerError: Diagnosable {
  package var category: FailureCategory {
    switch self {
    case .stream(let error): error.category
    case .gguf(let error): error.category
    case .noTokenizer: .noInput
    case .malformed, .unreadable, .missingField, .invalidField, .duplicateToken, .invalidID,
      .unknownMerge:
      .badData
    case .unsupported: .unsupportedConfiguration
    }
  }

  package var location: String? {
    switch self {
    case .stream(let error): error.location
    case .gguf(let error): error.location
    case .noTokenizer(let path), .malformed(let path, _), .unreadable(let path, _),
      .missingField(let path, _), .invalidField(let path, _, _, _), .unsupported(let path, _, _),
      .duplicateToken(let path, _), .invalidID(let path, _, _), .unknownMerge(let path, _, _):
      path
    }
  }

  package var message: String {
    switch self {
    case .stream(let error): error.message
    case .gguf(let error): error.message
    case .noTokenizer: "no tokenizer.json in this folder"
    case .malformed(_, let error): error.message
    case .unreadable(_, let reason): reason
    case .missingField(_, let field): "field \"\(field)\" is missing"
    case .invalidField(_, let field, let expected, let found):
      "field \"\(field)\": expected \(expected), found \(found)"
    case .unsupported(_, let component, let found): "\(component) \(found) is not supported"
    case .duplicateToken(_, let token): "token \"\(token)\" stands twice in the vocabulary"
    case .invalidID(_, let token, let id):
      "token \"\(token)\" has id \(id), expected 0 to \(Vocabulary.idLimit - 1)"
    case .unknownMerge(_, let index, let token):
      "merge \(index + 1) needs the token \"\(token)\", which the vocabulary lacks"
    }
  }

  package var hint: String? {
    switch self {
    case .noTokenizer: "name a tokenizer.json, a GGUF file, or a folder with a tokenizer.json"
    default: nil
    }
  }
}
