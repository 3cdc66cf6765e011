// SPDX-License-Identifier: Apache-2.0
package import Streams

/// One record: its line as read, and what it says.
package struct Record {
  package let location: RecordLocation
  /// The line without its end, exactly as read.
  package let bytes: [UInt8]
  package let content: RecordContent
  /// What cl-score added earlier, if anything.
  package let score: RecordScore?
}

/// Reads records, one input after the other: JSON Lines, or what the given source makes of an input.
package final class RecordReader {
  /// Bad lines that were tolerated so far.
  package private(set) var skippedCount = 0
  /// Called for each tolerated bad line.
  package var onSkip: ((any OneRecordError) -> Void)?

  /// Takes the digest of inputs that cannot be read again, see ``pipes``.
  package var hashesPipes = false
  /// The inputs that are no regular files and were read to their end, if ``hashesPipes``: bytes and
  /// digest of what was read, unpacked.
  package private(set) var pipes: [Manifest.File] = []

  private var paths: ArraySlice<String>
  private var meter: (name: String, digest: ContentDigest, bytes: Int)?
  private let layout: RecordLayout
  private let skipLimit: Int
  private let read: (InputSource) throws -> any RecordSource
  private var source: (any RecordSource)?

  /// - Parameters:
  ///   - paths: inputs in order; `-` is standard input.
  ///   - skipInvalid: how many bad lines to tolerate.
  ///   - read: how an input is read; nil reads JSON Lines.
  package init(
    paths: [String], layout: RecordLayout = RecordLayout(), skipInvalid: Int = 0,
    read: ((InputSource) throws -> any RecordSource)? = nil
  ) {
    self.read = read ?? { JSONLinesSource($0) }
    self.paths = paths[...]
    self.layout = layout
    skipLimit = skipInvalid
  }

  /// The next line as fields, without reading its content; nil after the last one. The fields are
  /// valid until the next call.
  ///
  /// - Throws: ``RecordError`` for the first bad line beyond the tolerated ones, ``StreamError``.
  package func nextFields() throws -> RecordFields? {
    while true {
      guard let source else {
        guard let path = paths.popFirst() else { return nil }
        source = try read(try open(path))
        continue
      }
      do {
        guard let line = try source.next() else {
          self.source = nil
          if let meter {
            pipes.append(
              Manifest.File(
                name: meter.name, bytes: meter.bytes, sha256: meter.digest.hexadecimal()))
          }
          meter = nil
          continue
        }
        return try RecordFields(line.bytes, at: line.location)
      } catch let error as any OneRecordError where error.concernsOneRecord {
        try tolerate(error)
      }
    }
  }

  private func open(_ path: String) throws -> InputSource {
    let input = try InputSource(path: path)
    if hashesPipes, path == "-" || !FileSystem.isRegularFile(path) {
      meter = (path, ContentDigest(), 0)
      input.onRead = { [weak self] bytes in
        self?.meter?.digest.update(bytes)
        self?.meter?.bytes += bytes.count
      }
    }
    return input
  }

  /// The next record with its content; nil after the last one.
  package func next() throws -> Record? {
    while let fields = try nextFields() {
      do throws(RecordError) {
        return Record(
          location: fields.location, bytes: Array(fields.line),
          content: try layout.content(of: fields), score: try RecordScore(of: fields))
      } catch {
        try tolerate(error)
      }
    }
    return nil
  }

  /// Counts a bad line, or throws it when no more are allowed. For callers that find a line bad by
  /// a rule of their own.
  package func tolerate(_ error: any OneRecordError) throws {
    guard skippedCount < skipLimit else { throw error }
    skippedCount += 1
    onSkip?(error)
  }
}
