// SPDX-License-Identifier: Apache-2.0

// Streams: bytes in, bytes out. Files, pipes, compressed input, atomic output, JSON, digests.
// Knows nothing of records, models or adapters.

/// The kind of a failure; `CommandSupport` maps each to one exit status (sysexits).
package enum FailureCategory: Sendable, Hashable {
  /// Wrong options or arguments (64).
  case usage
  /// Input that does not follow its format (65).
  case badData
  /// An input that cannot be opened (66).
  case noInput
  /// A device or feature that this machine lacks (69).
  case unavailable
  /// A mistake of ours (70).
  case internalError
  /// An output that cannot be created (73).
  case cannotCreate
  /// Reading or writing failed midway (74).
  case inputOutput
  /// Fewer clients are left than were asked for (75).
  case tooFewClients
  /// A model or adapter configuration that we do not support (78).
  case unsupportedConfiguration
}

/// An error that can be told to the user in one line.
///
/// Each module throws its own typed error; this protocol is how its facts become text. Only
/// `CommandSupport` prints it: `tool: location: message`, then `hint: …` where there is one.
package protocol Diagnosable: Error {
  var category: FailureCategory { get }
  /// `file` or `file:line`, or nil where no input is at fault.
  var location: String? { get }
  /// What was expected and what was found, without the location and without a full stop.
  var message: String { get }
  /// How to mend it, where that is known.
  var hint: String? { get }
}

extension Diagnosable {
  package var location: String? { nil }
  package var hint: String? { nil }
}
