// SPDX-License-Identifier: Apache-2.0
package import Records
package import Streams

/// Why records cannot become examples with this tokenizer and template. What is wrong with a single
/// record is a `RecordError`.
package enum ExampleError: Error, Equatable, Sendable {
  /// The record holds text, and no tokenizer was given.
  case noTokenizer(RecordLocation)
  /// The record needs a chat template, and the model has none.
  case noChatTemplate(RecordLocation)
  /// The template cannot be read or cannot be rendered.
  case templateFailed(RecordLocation, template: String, error: JinjaError)
  /// No template has this name.
  case unknownTemplateName(String)
  /// The template writes a token that the vocabulary lacks.
  case missingToken(String, template: String)
  /// A token has to end the text, and the tokenizer's configuration names none.
  case noEndOfText(RecordLocation)
  /// `--order quality`, and the record has no quality.
  case noQuality(RecordLocation)
}

extension ExampleError: Diagnosable {
  package var category: FailureCategory {
    switch self {
    case .noTokenizer, .unknownTemplateName: .usage
    case .noQuality: .badData
    case .templateFailed, .noChatTemplate, .missingToken, .noEndOfText:
      .unsupportedConfiguration
    }
  }

  package var location: String? {
    switch self {
    case .noTokenizer(let place), .noChatTemplate(let place), .templateFailed(let place, _, _),
      .noEndOfText(let place), .noQuality(let place):
      place.description
    case .unknownTemplateName, .missingToken: nil
    }
  }

  package var message: String {
    switch self {
    case .noTokenizer: "expected input_ids, found text and no tokenizer"
    case .noChatTemplate: "the record needs a chat template, and the model has none"
    case .templateFailed(_, let template, let error): "chat template \(template), \(error.message)"
    case .unknownTemplateName(let name):
      "chat template \"\(name)\": expected auto, "
        + ChatTemplateCatalog.names.joined(separator: ", ")
    case .missingToken(let token, let template):
      "chat template \(template) needs the token \(token), which the tokenizer lacks"
    case .noEndOfText: "the tokenizer names no end-of-text token"
    case .noQuality: "the record has no cl_score.quality to be ordered by"
    }
  }

  package var hint: String? {
    switch self {
    case .noTokenizer: "give --tokenizer or --model"
    case .templateFailed, .noChatTemplate, .missingToken: ExampleError.templateHint
    case .noEndOfText: "put a tokenizer_config.json with eos_token beside tokenizer.json"
    case .noQuality: "run cl-score first"
    case .unknownTemplateName: nil
    }
  }

  private static let templateHint =
    "use --chat-template none, or a name: "
    + ChatTemplateCatalog.names.filter { $0 != "none" }.joined(separator: ", ")
}
