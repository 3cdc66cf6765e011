// SPDX-License-Identifier: Apache-2.0
package import Records
internal import Streams

// Corpora: files of any format as records. Each format is a reader under Readers/ and a line in
// CorpusCatalog; what comes out is JSON, one record a line, as the other tools take it.

/// One record of a corpus.
package struct CorpusLine {
  package let location: RecordLocation
  /// The record's JSON without a line end, not yet checked. Valid until the reader's next line.
  package let bytes: UnsafeRawBufferPointer
}

/// Reads one file of one format, record by record, in an order that only the file decides.
package protocol CorpusReader: AnyObject {
  /// The next record, or nil after the last one.
  ///
  /// - Throws: ``CorpusError``, ``StreamError``.
  func next() throws -> CorpusLine?
}

/// The formats there are. A new one is a file under Readers/ and a line here.
package enum CorpusCatalog {
  package struct Format: Sendable {
    package let name: String
    package let summary: String
    /// Endings of file names that mean this format, compression aside.
    let endings: [String]
    let open: @Sendable (_ path: String) throws -> any CorpusReader
    /// The files that are read for a path that the user names.
    var files: @Sendable (_ path: String) -> [String] = { [$0] }
  }

  package static let all: [Format] = [
    Format(name: "jsonl", summary: "JSON Lines", endings: [".jsonl", ".ndjson"]) {
      try JSONLinesReader(path: $0)
    },
    Format(name: "json", summary: "an array of objects, or objects in a row", endings: [".json"]) {
      try JSONArrayReader(path: $0)
    },
    Format(name: "text", summary: "one document a file", endings: [".txt"]) {
      PlainTextReader(path: $0)
    },
    Format(
      name: "dictd", summary: "a dictd dictionary, named by its index", endings: [".index"],
      open: { try DictdReader(path: $0) }, files: DictdReader.files),
  ]

  private static let compressions = [".gz", ".bz2", ".xz", ".zst", ".zstd"]

  /// The format called `name`.
  ///
  /// - Throws: ``CorpusError/unknownFormat(name:)``.
  package static func format(named name: String) throws(CorpusError) -> Format {
    guard let format = all.first(where: { $0.name == name }) else {
      throw .unknownFormat(name: name)
    }
    return format
  }

  /// The format that the name of a file tells; JSON Lines where it tells nothing.
  package static func format(ofPath path: String) -> Format {
    var name = path
    if let compression = compressions.first(where: { name.hasSuffix($0) }) {
      name.removeLast(compression.count)
    }
    return all.first { $0.endings.contains { name.hasSuffix($0) } } ?? all[0]
  }
}

/// The records of several files, one file after the other.
package final class Corpus: CorpusReader {
  private var paths: ArraySlice<String>
  private let format: CorpusCatalog.Format?
  private var reader: (any CorpusReader)?

  /// - Parameter format: nil recognises each file's format by its name.
  package init(paths: [String], format: CorpusCatalog.Format? = nil) {
    self.paths = paths[...]
    self.format = format
  }

  package func next() throws -> CorpusLine? {
    while true {
      if reader == nil {
        guard let path = paths.popFirst() else { return nil }
        reader = try format(of: path).open(path)
      }
      if let line = try reader?.next() { return line }
      reader = nil
    }
  }

  /// The files that are read for `path`.
  package func files(of path: String) -> [String] { format(of: path).files(path) }

  private func format(of path: String) -> CorpusCatalog.Format {
    format ?? CorpusCatalog.format(ofPath: path)
  }
}
