// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Why a text cannot be scored as asked.
package enum ScoringError: Error, Equatable {
  /// No entry of ``SignalCatalog`` has this name.
  case unknownSignal(name: String)
  /// A corpus of so few different texts tells nothing about what is usual.
  case tooFewTexts(found: Int)
  /// A file that is no quality model, or a damaged one.
  case malformedQualityModel(path: String, problem: String)
  /// A quality model that was learnt with other signals than are to be measured.
  case otherSignals(path: String, expected: [String])
}

extension ScoringError: Diagnosable {
  package var category: FailureCategory {
    switch self {
    case .unknownSignal, .otherSignals: .usage
    case .tooFewTexts, .malformedQualityModel: .badData
    }
  }

  package var location: String? {
    switch self {
    case .malformedQualityModel(let path, _), .otherSignals(let path, _): path
    default: nil
    }
  }

  package var message: String {
    switch self {
    case .unknownSignal(let name):
      "--signals: expected all, none, families or names of signals, found \"\(name)\""
    case .tooFewTexts(let found):
      "--quality-model self: expected at least \(QualityLearner.minimumTexts) different texts, found \(found)"
    case .malformedQualityModel(_, let problem): "malformed quality model: \(problem)"
    case .otherSignals(_, let expected):
      "--signals: expected those that the quality model was made with, \(expected.joined(separator: ","))"
    }
  }

  package var hint: String? {
    switch self {
    case .unknownSignal: "cl-score --list-signals says what there is"
    case .tooFewTexts: "leave --quality-model out, or name one that was learnt from more"
    case .malformedQualityModel, .otherSignals: nil
    }
  }
}
