// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Why bytes could not be read or written.
package enum StreamError: Error, Equatable {
  /// `open` of an input failed.
  case cannotOpen(path: String, errno: Int32)
  /// The path names a folder where a file was expected.
  case isDirectory(path: String)
  /// An output could not be created.
  case cannotCreate(path: String, errno: Int32)
  /// Reading failed midway.
  case readFailed(path: String, errno: Int32)
  /// Writing, flushing, closing or renaming failed.
  case writeFailed(path: String, errno: Int32)
  /// The compressed input is damaged or ends too early.
  case damagedCompression(path: String, reason: String)
  /// A line longer than the limit.
  case lineTooLong(path: String, line: Int, limit: Int)
}

extension StreamError: Diagnosable {
  package var category: FailureCategory {
    switch self {
    case .cannotOpen, .isDirectory: .noInput
    case .cannotCreate: .cannotCreate
    case .readFailed, .writeFailed: .inputOutput
    case .damagedCompression, .lineTooLong: .badData
    }
  }

  package var location: String? {
    switch self {
    case .cannotOpen(let path, _), .isDirectory(let path), .cannotCreate(let path, _),
      .readFailed(let path, _), .writeFailed(let path, _), .damagedCompression(let path, _):
      path
    case .lineTooLong(let path, let line, _): "\(path):\(line)"
    }
  }

  package var message: String {
    switch self {
    case .cannotOpen(_, let code): "cannot open: \(Self.text(of: code))"
    case .isDirectory: "expected a file, found a folder"
    case .cannotCreate(_, let code): "cannot create: \(Self.text(of: code))"
    case .readFailed(_, let code): "reading failed: \(Self.text(of: code))"
    case .writeFailed(_, let code): "writing failed: \(Self.text(of: code))"
    case .damagedCompression(_, let reason): "damaged or truncated compressed data: \(reason)"
    case .lineTooLong(_, _, let limit): "line longer than \(limit) bytes"
    }
  }

  static func text(of code: Int32) -> String { String(cString: strerror(code)) }
}
