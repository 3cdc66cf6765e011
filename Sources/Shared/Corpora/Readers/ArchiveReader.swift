// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// The records of the files in a tar or zip archive, in the archive's order. A file is named
/// `ARCHIVE:PATH`; its format is told as that of any file. Files of no known format are passed over and
/// counted; an archive within the archive is refused.
///
/// Files that follow one another and differ only in what stands behind the first dot of their names
/// (`0001.txt`, `0001.json`, `0001.cls`) are one sample of WebDataset: see ``WebDatasetSample``.
final class ArchiveReader: RecordSource {
  private let archive: Archive
  private let kind: Archive.Kind
  private let options: CorpusOptions
  private var reader: (any RecordSource)?
  private var sample: WebDatasetSample?
  private var isAtEnd = false
  private let output = LineBuffer()
  private(set) var passedOver = 0

  init(_ input: InputSource, _ kind: Archive.Kind, _ options: CorpusOptions) throws {
    archive = try Archive(input, kind)
    self.kind = kind
    self.options = options
  }

  func next() throws -> RecordLine? {
    while true {
      if let reader {
        if let line = try reader.next() { return line }
        self.reader = nil
      }
      if isAtEnd {
        guard let last = sample else { return nil }
        sample = nil
        if let line = try finish(last) { return line }
        continue
      }
      guard let path = try archive.nextFile() else {
        isAtEnd = true
        continue
      }
      if let line = try begin(path) { return line }
    }
  }

  /// Begins a file; gives the record of the sample that has ended before it, if that makes one.
  private func begin(_ path: String) throws -> RecordLine? {
    let place = "\(archive.name):\(path)"
    if options.format == nil, kind == .tar, let part = WebDatasetSample.Part(path) {
      // Held, as the next file may belong to it.
      let bytes = try contents(place)
      if sample?.key == part.key {
        sample?.add(part, bytes)
        return nil
      }
      let ended = sample
      sample = WebDatasetSample(part, bytes, archive: archive.name)
      return try ended.flatMap { try finish($0) }
    }
    if let ended = sample {
      sample = nil
      // What follows is read when the sample's own records are out.
      let following = try open(place)
      if let line = try finish(ended) {
        chain(following)
        return line
      }
      chain(following)
      return nil
    }
    reader = try open(place)
    return nil
  }

  /// Reads `following` when what is being read has ended.
  private func chain(_ following: (any RecordSource)?) {
    guard let following else { return }
    reader = reader.map { SourceChain($0, following) } ?? following
  }

  /// A sample of one file is a file like any other; of several it is one record.
  private func finish(_ sample: WebDatasetSample) throws -> RecordLine? {
    if let single = sample.single {
      let input = try InputSource(name: "\(archive.name):\(single.path)", content: single.bytes)
      reader = try Corpus.open(input, options)
      return nil
    }
    return RecordLine(
      location: sample.location, bytes: output.hold(try sample.json()))
  }

  private func contents(_ place: String) throws -> [UInt8] {
    let limit = LineReader.defaultLimit
    do throws(StreamError) {
      return try archive.open(as: place).readAll(limit: limit)
    } catch {
      if case .tooLarge = error {
        throw CorpusError.recordTooLong(RecordLocation(file: place, line: 1), limit: limit)
      }
      throw error
    }
  }

  /// Nil, and counted, if the file's format is not known.
  private func open(_ place: String) throws -> (any RecordSource)? {
    let input = try archive.open(as: place)
    if let format = options.format {
      if format.name == "tar" || format.name == "zip" {
        // The option names the outer archive; its files speak for themselves.
        return try known(input, place)
      }
      return try format.open(input, options)
    }
    return try known(input, place)
  }

  private func known(_ input: InputSource, _ place: String) throws -> (any RecordSource)? {
    var options = options
    options.format = nil
    guard let named = FormatRecognition.format(ofName: place) else {
      passedOver += 1
      return nil
    }
    if named.name == "dictd" {
      passedOver += 1
      return nil
    }
    let format = try FormatRecognition.format(of: input)
    if format.name == "tar" || format.name == "zip" { throw CorpusError.nestedArchive(place) }
    return try format.open(input, options)
  }
}

/// One source after the other.
private final class SourceChain: RecordSource {
  private let first: any RecordSource
  private let second: any RecordSource
  private var isSecond = false

  init(_ first: any RecordSource, _ second: any RecordSource) {
    self.first = first
    self.second = second
  }

  func next() throws -> RecordLine? {
    if !isSecond {
      if let line = try first.next() { return line }
      isSecond = true
    }
    return try second.next()
  }
}
