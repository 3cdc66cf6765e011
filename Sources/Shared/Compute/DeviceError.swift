// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Why a device cannot do what it was asked.
package enum DeviceError: Error, Equatable {
  /// The library that the device needs could not be opened.
  case libraryMissing(name: String, reason: String)
  /// `bytes` could not be allocated for `label`.
  case outOfMemory(label: String, bytes: Int)
  /// The processor lacks what the requested precision needs.
  case precisionUnavailable(precision: String, reason: String)
  /// No device of that name; `known` lists those there are.
  case unknownDevice(name: String, known: [String])
}

extension DeviceError: Diagnosable {
  package var category: FailureCategory {
    switch self {
    case .libraryMissing, .outOfMemory, .precisionUnavailable: .unavailable
    case .unknownDevice: .usage
    }
  }

  package var message: String {
    switch self {
    case .libraryMissing(let name, let reason): "cannot open \(name): \(reason)"
    case .outOfMemory(let label, let bytes): "no memory for \(label) (\(bytes) bytes)"
    case .precisionUnavailable(let precision, let reason):
      "precision \(precision) is not available: \(reason)"
    case .unknownDevice(let name, let known):
      "unknown device \"\(name)\", expected one of: \(known.joined(separator: ", "))"
    }
  }

  package var hint: String? {
    switch self {
    case .libraryMissing(let name, _):
      name.hasPrefix("libopenblas") ? "install the package libopenblas0-pthread" : nil
    case .outOfMemory: "a smaller --memory or --batch-tokens needs less"
    case .precisionUnavailable, .unknownDevice: nil
    }
  }
}
