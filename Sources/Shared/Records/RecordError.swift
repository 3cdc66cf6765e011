// SPDX-License-Identifier: Apache-2.0
package import Streams

// Records: what one line of JSON Lines means. Knows the layouts that users bring, the keys that our
// tools add, and the lines that our tools write about themselves.

/// Where a record stands.
package struct RecordLocation: Sendable, Hashable, CustomStringConvertible {
  /// The input's name.
  package let file: String
  /// Line number from 1.
  package let line: Int

  package init(file: String, line: Int) {
    self.file = file
    self.line = line
  }

  package var description: String { "\(file):\(line)" }
}

/// An error that may be about one record alone, so that the others can still be read
/// (`--skip-invalid`).
package protocol OneRecordError: Diagnosable {
  /// False where the rest of the input cannot be relied on.
  var concernsOneRecord: Bool { get }
}

extension RecordError: OneRecordError {
  package var concernsOneRecord: Bool { true }
}

/// A ``RecordError`` in a line that was made of another input, with its place there.
package struct ConvertedRecordError: OneRecordError {
  package let error: RecordError
  package let location: String?
  package var concernsOneRecord: Bool { true }
  package var category: FailureCategory { error.category }
  package var message: String { error.message }
  package var hint: String? { error.hint }

  /// `error` itself unless its line was converted.
  package static func located(
    _ error: RecordError, by conversion: (any LineConversion)?
  ) -> any OneRecordError {
    guard let place = conversion?.place(ofLine: error.place.line) else { return error }
    return ConvertedRecordError(error: error, location: place)
  }
}

/// Why a line is no record.
package enum RecordError: Error, Equatable {
  case malformedJSON(RecordLocation, JSONError)
  /// The line is JSON but no object.
  case notAnObject(RecordLocation, found: JSONKind)
  /// None of the known layouts fits; `found` are the record's keys.
  case unknownLayout(RecordLocation, found: [String])
  case missingField(RecordLocation, field: String)
  case wrongType(RecordLocation, field: String, expected: String, found: String)
  case unknownRole(RecordLocation, field: String, role: String)
  /// `labels` and `input_ids` differ in length.
  case labelCount(RecordLocation, inputIDs: Int, labels: Int)
  /// A label is neither -100 nor the id at its place; `index` counts from 0.
  case labelMismatch(RecordLocation, index: Int, inputID: Int32, label: Int32)
  /// An id that the model's vocabulary lacks.
  case tokenOutOfRange(RecordLocation, index: Int, id: Int32, vocabularySize: Int)
  /// No token of the record is left to be predicted: it has none, or they lie beyond the context.
  case noTarget(RecordLocation, tokens: Int, context: Int)
  /// The chat template refuses the conversation (`raise_exception`).
  case refusedByTemplate(RecordLocation, template: String, reason: String)

  package var place: RecordLocation {
    switch self {
    case .malformedJSON(let place, _), .notAnObject(let place, _), .unknownLayout(let place, _),
      .missingField(let place, _), .wrongType(let place, _, _, _), .unknownRole(let place, _, _),
      .labelCount(let place, _, _), .labelMismatch(let place, _, _, _),
      .tokenOutOfRange(let place, _, _, _), .noTarget(let place, _, _),
      .refusedByTemplate(let place, _, _):
      place
    }
  }
}

extension RecordError: Diagnosable {
  package var category: FailureCategory { .badData }
  package var location: String? { place.description }

  package var message: String {
    switch self {
    case .malformedJSON(_, let error): error.message
    case .notAnObject(_, let found): "expected an object, found \(found.rawValue)"
    case .unknownLayout(_, let found):
      "expected a record with \(RecordLayout.fieldsInWords), found "
        + (found.isEmpty ? "an empty object" : "only \(found.joined(separator: ", "))")
    case .missingField(_, let field): "field \"\(field)\": expected, but missing"
    case .wrongType(_, let field, let expected, let found):
      "field \"\(field)\": expected \(expected), found \(found)"
    case .unknownRole(_, let field, let role):
      "field \"\(field)\": expected system, user, assistant or tool, found \"\(role)\""
    case .labelCount(_, let inputIDs, let labels):
      "field \"labels\": expected \(inputIDs) entries as in \"input_ids\", found \(labels)"
    case .labelMismatch(_, let index, let inputID, let label):
      "field \"labels[\(index)]\": expected -100 or \(inputID) as in \"input_ids\", found \(label)"
    case .tokenOutOfRange(_, let index, let id, let size):
      "field \"input_ids[\(index)]\": expected an id below \(size), found \(id)"
    case .noTarget(_, let tokens, let context):
      tokens > context
        ? "no target token within the context of \(context) tokens (the record has \(tokens))"
        : "no target token in a record of \(tokens) tokens"
    case .refusedByTemplate(_, let template, let reason):
      "chat template \(template) refuses the conversation: \(reason)"
    }
  }

  package var hint: String? {
    switch self {
    case .refusedByTemplate: "--skip-invalid leaves out such records, --chat-template names another"
    case .unknownLayout: "name the fields of your records, for example --field text=body"
    default: nil
    }
  }
}
