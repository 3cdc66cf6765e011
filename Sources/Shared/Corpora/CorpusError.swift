// SPDX-License-Identifier: Apache-2.0
package import Records
package import Streams

/// Why a corpus cannot be read.
package enum CorpusError: Error, Equatable {
  /// No entry of ``CorpusCatalog`` has this name.
  case unknownFormat(name: String)
  /// A text that is not UTF-8; `offset` is the first byte at fault.
  case notUTF8(RecordLocation, offset: Int)
  /// An array of records, or what stands between records, is no JSON.
  case malformedArray(RecordLocation, expected: String, found: String)
  /// One record is longer than the limit.
  case recordTooLong(RecordLocation, limit: Int)
  /// No dictionary lies beside the index.
  case missingDictionary(index: String, tried: [String])
  /// A line of a dictd index that is not headword, offset and length.
  case malformedIndexLine(RecordLocation, problem: String)
  /// An index names bytes that the dictionary does not have.
  case entryOutside(RecordLocation, end: Int, dictionaryBytes: Int)
}

extension CorpusError: Diagnosable {
  package var category: FailureCategory {
    switch self {
    case .unknownFormat: .usage
    case .missingDictionary: .noInput
    default: .badData
    }
  }

  package var location: String? {
    switch self {
    case .unknownFormat: nil
    case .missingDictionary(let index, _): index
    case .notUTF8(let place, _), .malformedArray(let place, _, _), .recordTooLong(let place, _),
      .malformedIndexLine(let place, _), .entryOutside(let place, _, _):
      place.description
    }
  }

  package var message: String {
    switch self {
    case .unknownFormat(let name):
      "--format: expected \(CorpusCatalog.all.map(\.name).joined(separator: ", ")), found \"\(name)\""
    case .notUTF8(_, let offset): "expected UTF-8, found another byte at offset \(offset)"
    case .malformedArray(_, let expected, let found):
      "malformed JSON: expected \(expected), found \(found)"
    case .recordTooLong(_, let limit): "record longer than \(limit) bytes"
    case .missingDictionary(_, let tried):
      "expected the dictionary beside its index, found neither \(tried.joined(separator: " nor "))"
    case .malformedIndexLine(_, let problem): "malformed dictd index: \(problem)"
    case .entryOutside(_, let end, let bytes):
      "malformed dictd index: expected an entry within \(bytes) bytes, found one that ends at \(end)"
    }
  }

  package var hint: String? {
    switch self {
    case .missingDictionary: "name the .index file; the .dict or .dict.dz lies beside it"
    default: nil
    }
  }
}
