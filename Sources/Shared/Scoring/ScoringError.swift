// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Why a text cannot be scored as asked.
package enum ScoringError: Error, Equatable {
  /// No entry of ``SignalCatalog`` has this name.
  case unknownSignal(name: String)
}

extension ScoringError: Diagnosable {
  package var category: FailureCategory { .usage }

  package var message: String {
    switch self {
    case .unknownSignal(let name):
      "--signals: expected all, none or names of signals, found \"\(name)\""
    }
  }

  package var hint: String? {
    "the signals are \(SignalCatalog.all.map(\.name).joined(separator: ", "))"
  }
}
