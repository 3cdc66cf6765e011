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
  /// Compressed input that unpacks to more than `limit` times its size.
  case expandsTooMuch(path: String, limit: Int)
  /// A library of the system that is opened at run time.
  case libraryMissing(path: String, library: String)
  /// An input that had to be converted on the way and could not; `place` is where.
  case notConverted(place: String, reason: String)
  /// An input that is read whole and is longer than the limit.
  case tooLarge(path: String, limit: Int)
  /// A line longer than the limit.
  case lineTooLong(path: String, line: Int, limit: Int)
}

extension StreamError: Diagnosable {
  package var category: FailureCategory {
    switch self {
    case .cannotOpen, .isDirectory: .noInput
    case .cannotCreate: .cannotCreate
    case .readFailed, .writeFailed: .inputOutput
    case .damagedCompression, .expandsTooMuch, .tooLarge, .notConverted, .lineTooLong:
      .badData
    case .libraryMissing: .unavailable
    }
  }

  package var location: String? {
    switch self {
    case .cannotOpen(let path, _), .isDirectory(let path), .cannotCreate(let path, _),
      .readFailed(let path, _), .writeFailed(let path, _), .damagedCompression(let path, _),
      .expandsTooMuch(let path, _), .libraryMissing(let path, _),
      .tooLarge(let path, _), .notConverted(let path, _):
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
    case .expandsTooMuch(_, let limit):
      "compressed data that unpacks to more than \(limit) times its size"
    case .libraryMissing(_, let library): "expected the library \(library), found none"
    case .notConverted(_, let reason): reason
    case .tooLarge(_, let limit): "longer than \(limit) bytes"
    case .lineTooLong(_, _, let limit): "line longer than \(limit) bytes"
    }
  }

  package var hint: String? {
    switch self {
    case .expandsTooMuch: "if it is no bomb, unpack it and pipe it in"
    default: nil
    }
  }

  static func text(of code: Int32) -> String { String(cString: strerror(code)) }
}
