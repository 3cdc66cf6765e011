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
  /// `--text-unit` knows no such unit.
  case unknownTextUnit(name: String)
  /// A format that is recognised and not read, with the command that converts it.
  case refusedFormat(file: String, name: String, conversion: String)
  /// Text in UTF-16 or UTF-32.
  case otherEncoding(RecordLocation, name: String)
  /// A tar or zip archive that is damaged or ends too early.
  case damagedArchive(RecordSourceName, reason: String)
  /// An archive whose files are much longer than their packed form.
  case expandsTooMuch(RecordSourceName, limit: Int)
  /// An archive within an archive.
  case nestedArchive(RecordSourceName)
  /// A row of a table that does not fit its header, or breaks RFC 4180.
  case malformedRow(RecordLocation, problem: String)
  /// A table whose rows cannot be told apart behind this place.
  case malformedTable(RecordLocation, problem: String)
  /// XML that is not well-formed, or has a document type declaration.
  case malformedXML(RecordLocation, problem: String)
  /// A WARC file that does not follow ISO 28500.
  case malformedWARC(RecordLocation, problem: String)
  /// Files of one WebDataset sample that do not go together.
  case malformedSample(RecordLocation, problem: String)
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
    case .unknownFormat, .unknownTextUnit: .usage
    case .refusedFormat: .unsupportedConfiguration
    case .missingDictionary: .noInput
    default: .badData
    }
  }

  package var location: String? {
    switch self {
    case .unknownFormat, .unknownTextUnit: nil
    case .missingDictionary(let index, _): index
    case .refusedFormat(let file, _, _): file
    case .damagedArchive(let name, _), .expandsTooMuch(let name, _), .nestedArchive(let name): name
    case .otherEncoding(let place, _), .malformedRow(let place, _), .malformedTable(let place, _),
      .malformedXML(let place, _),
      .malformedWARC(let place, _), .malformedSample(let place, _), .notUTF8(let place, _), .malformedArray(let place, _, _), .recordTooLong(let place, _),
      .malformedIndexLine(let place, _), .entryOutside(let place, _, _):
      place.description
    }
  }

  package var message: String {
    switch self {
    case .unknownFormat(let name):
      "--format: expected \(CorpusCatalog.all.map(\.name).joined(separator: ", ")), found \"\(name)\""
    case .unknownTextUnit(let name):
      "--text-unit: expected file, paragraph or line, found \"\(name)\""
    case .refusedFormat(_, let name, _): "\(name) is not read"
    case .otherEncoding(_, let name): "expected UTF-8, found \(name)"
    case .damagedArchive(_, let reason): "damaged or truncated archive: \(reason)"
    case .expandsTooMuch(_, let limit):
      "archive that unpacks to more than \(limit) times its size"
    case .nestedArchive: "archive within an archive"
    case .malformedRow(_, let problem), .malformedTable(_, let problem): "malformed table: \(problem)"
    case .malformedXML(_, let problem): "malformed XML: \(problem)"
    case .malformedWARC(_, let problem): "malformed WARC: \(problem)"
    case .malformedSample(_, let problem): "malformed sample: \(problem)"
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
    case .refusedFormat(_, _, let conversion): "convert it: \(conversion)"
    case .otherEncoding(let place, let name): "iconv -f \(name) -t UTF-8 \(place.file)"
    case .expandsTooMuch: "if it is no bomb, unpack it and name its files"
    case .nestedArchive: "unpack the outer one first"
    case .missingDictionary: "name the .index file; the .dict or .dict.dz lies beside it"
    default: nil
    }
  }
}

/// An input's or an archive entry's name.
package typealias RecordSourceName = String

extension CorpusError: OneRecordError {
  package var concernsOneRecord: Bool {
    switch self {
    case .notUTF8, .recordTooLong, .malformedRow, .malformedSample, .entryOutside,
      .malformedIndexLine:
      true
    default: false
    }
  }
}
