// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Why no report was written. Damaged lines are ``RecordError``, files that cannot be read are
/// ``StreamError``.
package enum ReportError: Error, Equatable {
  /// The folder holds nothing that a run leaves behind.
  case noRun(path: String)
  /// The stream held neither scored records nor lines of our tools.
  case nothingToReport(name: String)
  /// libxml2 could not build the document (out of memory).
  case documentNotBuilt
}

extension ReportError: Diagnosable {
  package var category: FailureCategory {
    switch self {
    case .noRun: .noInput
    case .nothingToReport: .badData
    case .documentNotBuilt: .internalError
    }
  }

  package var location: String? {
    switch self {
    case .noRun(let path): path
    case .nothingToReport(let name): name
    case .documentNotBuilt: nil
    }
  }

  package var message: String {
    switch self {
    case .noRun:
      "expected the folder of a run (plan.json, shards/, eval/, arm-*/), found none of these"
    case .nothingToReport:
      "expected records with \"cl_score\" or lines written by our tools, found neither"
    case .documentNotBuilt: "the document could not be built: out of memory"
    }
  }

  package var hint: String? {
    switch self {
    case .nothingToReport: "score the records first: cl-score … | cl-report -"
    default: nil
    }
  }
}
