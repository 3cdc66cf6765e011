// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Streams

// CommandSupport: what the five tools have in common on the command line. The only module that
// prints or exits.

/// Exit statuses of all five tools (sysexits.h).
package enum ExitStatus: Int32, Sendable {
  case success = 0
  case usage = 64
  case badData = 65
  case noInput = 66
  case unavailable = 69
  case internalError = 70
  case cannotCreate = 73
  case inputOutput = 74
  /// Stopped on a signal with its state saved, or too few clients: run again.
  case tryAgain = 75
  case unsupportedConfiguration = 78

  package init(_ category: FailureCategory) {
    self =
      switch category {
      case .usage: .usage
      case .badData: .badData
      case .noInput: .noInput
      case .unavailable: .unavailable
      case .internalError: .internalError
      case .cannotCreate: .cannotCreate
      case .inputOutput: .inputOutput
      case .tooFewClients: .tryAgain
      case .unsupportedConfiguration: .unsupportedConfiguration
      }
  }
}

/// Misuse that the option parser cannot see by itself.
package struct UsageError: Diagnosable {
  package let message: String
  package let hint: String?
  package var category: FailureCategory { .usage }

  package init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }
}
