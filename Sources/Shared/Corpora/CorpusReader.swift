// SPDX-License-Identifier: Apache-2.0
package import Records
package import Streams

// Corpora: files of any format as records. Each format is a reader under Readers/ and a line in
// CorpusCatalog; what comes out is JSON, one record a line, as the other tools take it.

/// What plain text is cut into.
package enum TextUnit: String, Sendable, CaseIterable {
  /// The whole file.
  case file
  /// What stands between blank lines.
  case paragraph
  /// Each line that is not blank.
  case line

  /// - Throws: ``CorpusError/unknownTextUnit(name:)``.
  package init(named name: String) throws(CorpusError) {
    guard let unit = TextUnit(rawValue: name) else { throw .unknownTextUnit(name: name) }
    self = unit
  }
}

/// How files are read.
package struct CorpusOptions: Sendable {
  /// Nil recognises each file's format by its first bytes and its name.
  package var format: CorpusCatalog.Format?
  package var textUnit = TextUnit.file

  package init() {}

  /// As the user says by `--format` and `--text-unit`.
  ///
  /// - Throws: ``CorpusError/unknownFormat(name:)``, ``CorpusError/unknownTextUnit(name:)``.
  package init(format: String?, textUnit: String?) throws(CorpusError) {
    if let format { self.format = try CorpusCatalog.format(named: format) }
    if let textUnit { self.textUnit = try TextUnit(named: textUnit) }
  }
}

/// The formats there are. A new one is a file under Readers/ and a line here.
package enum CorpusCatalog {
  package struct Format: Sendable {
    package let name: String
    package let summary: String
    /// Endings of file names that mean this format, compression aside.
    let endings: [String]
    let open: @Sendable (_ input: InputSource, _ options: CorpusOptions) throws -> any RecordSource
    /// The files that are read for a path that the user names.
    var files: @Sendable (_ path: String) -> [String] = { [$0] }
  }

  package static let all: [Format] = [
    Format(name: "jsonl", summary: "JSON Lines", endings: [".jsonl", ".ndjson"]) { input, _ in
      JSONLinesSource(input)
    },
    Format(name: "json", summary: "an array of objects, or objects in a row", endings: [".json"]) {
      input, _ in JSONArrayReader(input)
    },
    Format(
      name: "text", summary: "plain text: a document a file, or as --text-unit says",
      endings: [".txt", ".text", ".md", ".rst"]
    ) { PlainTextReader($0, unit: $1.textUnit) },
    Format(name: "csv", summary: "commas between, names in the first row", endings: [".csv"]) {
      input, _ in DelimitedReader(input, separator: UInt8(ascii: ","))
    },
    Format(name: "tsv", summary: "tabs between, names in the first row", endings: [".tsv", ".tab"]) {
      input, _ in DelimitedReader(input, separator: 0x09)
    },
    Format(
      name: "html", summary: "a page a file: its main text and title",
      endings: [".html", ".htm", ".xhtml"]
    ) { input, _ in HTMLReader(input) },
    Format(name: "wikipedia", summary: "MediaWiki's XML dumps: articles as text", endings: [".xml"]) {
      input, _ in try WikipediaReader(input)
    },
    Format(
      name: "warc", summary: "web archives: pages of WARC, text of WET",
      endings: [".warc", ".wet"]
    ) { input, _ in WARCReader(input) },
    Format(
      name: "dictd", summary: "a dictd dictionary, named by its index", endings: [".index"],
      open: { input, _ in try DictdReader(input) }, files: DictdReader.files),
    Format(
      name: "tar", summary: "files of these formats, samples of WebDataset", endings: [".tar", ".tgz"],
      open: { try ArchiveReader($0, .tar, $1) }),
    Format(
      name: "zip", summary: "files of these formats", endings: [".zip"],
      open: { try ArchiveReader($0, .zip, $1) }),
  ]

  /// The format called `name`.
  ///
  /// - Throws: ``CorpusError/unknownFormat(name:)``.
  package static func format(named name: String) throws(CorpusError) -> Format {
    guard let format = all.first(where: { $0.name == name }) else {
      throw .unknownFormat(name: name)
    }
    return format
  }

  /// The format called `name`, which is in the catalog.
  static func known(_ name: String) -> Format { all.first { $0.name == name } ?? all[0] }
}

/// The records of several files, one file after the other.
package final class Corpus: RecordSource {
  private var paths: ArraySlice<String>
  private let options: CorpusOptions
  private var reader: (any RecordSource)?
  /// Files in archives that are of no known format and were passed over so far.
  package var entriesPassedOver: Int { finished + ((reader as? ArchiveReader)?.passedOver ?? 0) }
  private var finished = 0
  /// Told of each input before anything is read of it: for callers that take digests.
  package var onOpen: ((_ path: String, _ input: InputSource) -> Void)?

  package init(paths: [String], options: CorpusOptions = CorpusOptions()) {
    self.paths = paths[...]
    self.options = options
  }

  package func next() throws -> RecordLine? {
    while true {
      if reader == nil {
        guard let path = paths.popFirst() else { return nil }
        let input = try InputSource(path: path)
        onOpen?(path, input)
        reader = try Corpus.open(input, options)
      }
      if let line = try reader?.next() { return line }
      finished = entriesPassedOver
      reader = nil
    }
  }

  /// A reader of one file; `-` is standard input.
  ///
  /// - Throws: `StreamError`, ``CorpusError``.
  package static func open(
    _ path: String, _ options: CorpusOptions = CorpusOptions()
  ) throws -> any RecordSource {
    try open(try InputSource(path: path), options)
  }

  /// A reader of an input that nothing was read of yet, whose `onRead` may be set: for callers that
  /// take digests.
  package static func open(
    _ input: InputSource, _ options: CorpusOptions = CorpusOptions()
  ) throws -> any RecordSource {
    let format = try options.format ?? FormatRecognition.format(of: input)
    return try format.open(input, options)
  }

  /// The records of a file of any format as JSON Lines, for readers of lines. JSON Lines come through as
  /// they are, everything else one record a line; an error in between is a
  /// `StreamError.notConverted(place:reason:)` with the place that it has in the file, unless the
  /// input's `conversion` is told to leave bad records out.
  package static func lines(
    _ path: String, _ options: CorpusOptions = CorpusOptions()
  ) throws -> InputSource {
    let input = try InputSource(path: path)
    let format = try options.format ?? FormatRecognition.format(of: input)
    if format.name == "jsonl" { return input }
    let converter = LineConverter(try format.open(input, options))
    return InputSource(name: input.name, conversion: converter) { (buffer) throws(StreamError) in
      try converter.read(into: buffer)
    }
  }

  /// The files that are read for `path`.
  package func files(of path: String) -> [String] {
    (options.format ?? FormatRecognition.format(ofName: path) ?? CorpusCatalog.all[0]).files(path)
  }
}
