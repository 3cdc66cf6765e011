// SPDX-License-Identifier: Apache-2.0
package import Records
package import Streams

/// Reads the inputs twice: once to learn what a partition must know of each record, and once more to
/// send the records where they belong. Holds a row of numbers a record, in temporary files where there
/// are many, never the records.
package final class RecordScan {
  package private(set) var table: RecordTable
  /// One an input, in order; complete after ``read(onSkip:onProgress:)``.
  package private(set) var inputs: [Plan.Input] = []

  private struct Source {
    let path: String
    let name: String
    let spool: SpoolFile?
    /// Numbers of the bad lines that were passed over.
    var skippedLines: [Int] = []
  }
  private let paths: [String]
  private let skipLimit: Int
  private let spoolFolder: String?
  private let open: (String) throws -> InputSource
  private var sources: [Source] = []
  private var skippedCount = 0

  /// - Parameters:
  ///   - paths: `-` is standard input.
  ///   - spoolFolder: where inputs that cannot be opened again are kept; nil if the records will
  ///     not be read a second time.
  ///   - memoryBound: bytes of the table beyond which it goes to temporary files.
  ///   - open: how an input is opened as JSON Lines.
  package init(
    paths: [String], choice: PropertyChoice?, layout: RecordLayout = RecordLayout(),
    groupBy: String? = nil, skipInvalid: Int = 0, spoolFolder: String?,
    memoryBound: Int = RecordTable.memoryBound,
    open: @escaping (String) throws -> InputSource = { try InputSource(path: $0) }
  ) {
    self.open = open
    self.paths = paths
    table = RecordTable(
      choice: choice, layout: layout, groupBy: groupBy,
      folder: spoolFolder ?? ShardFolder.temporary, memoryBound: memoryBound)
    skipLimit = skipInvalid
    self.spoolFolder = spoolFolder
  }

  /// The first reading.
  ///
  /// - Parameters:
  ///   - onSkip: told of each bad record that is tolerated.
  ///   - onProgress: told now and then how many records were read.
  /// - Throws: ``RecordError`` for the first bad line beyond the tolerated ones, `StreamError`.
  package func read(
    onSkip: @escaping (any Diagnosable) -> Void = { _ in },
    onProgress: (Int) -> Void = { _ in }
  ) throws {
    for path in paths { try read(path, onSkip, onProgress) }
    try table.finish()
  }

  private func read(
    _ path: String, _ onSkip: @escaping (any Diagnosable) -> Void, _ onProgress: (Int) -> Void
  ) throws {
    let input = try open(path)
    var spool: SpoolFile?
    if let spoolFolder, !SpoolFile.canReopen(path) { spool = try SpoolFile(folder: spoolFolder) }
    var source = Source(path: spool?.path ?? path, name: input.name, spool: spool)
    let meter = Meter()
    input.onRead = { bytes throws(StreamError) in
      meter.take(bytes)
      try spool?.write(bytes)
    }
    let (before, skippedBefore) = (table.count, skippedCount)
    func tolerate(_ error: any Diagnosable) -> Bool {
      guard skippedCount < skipLimit else { return false }
      skippedCount += 1
      onSkip(error)
      return true
    }
    // Records that cannot even be made lines of.
    input.conversion?.tolerates = tolerate
    defer { input.conversion?.tolerates = nil }
    let reader = LineReader(input)
    while let line = try reader.next() {
      if Self.isBlank(line) { continue }
      do throws(RecordError) {
        let location = RecordLocation(file: reader.name, line: reader.lineNumber)
        try table.append(try RecordFields(line, at: location))
      } catch {
        let error = ConvertedRecordError.located(error, by: input.conversion)
        guard tolerate(error) else { throw error }
        source.skippedLines.append(reader.lineNumber)
      }
      if table.count & 4095 == 0 {
        onProgress(table.count)
        try table.spillIfLarge()
      }
    }
    inputs.append(
      Plan.Input(
        name: input.name, bytes: meter.count, sha256: meter.digest.hexadecimal(),
        records: table.count - before, skipped: skippedCount - skippedBefore))
    sources.append(source)
  }

  /// The second reading: calls `body` with each record's number and line, in order. The line has no
  /// end and is valid during the call.
  ///
  /// - Throws: ``PartitionError/inputChanged(path:)`` after the last record if the input is not what
  ///   it was; what `body` throws.
  package func forEachRecord(
    _ body: (_ record: Int, _ line: UnsafeRawBufferPointer, _ at: RecordLocation) throws -> Void
  ) throws {
    var record = 0
    for (source, known) in zip(sources, inputs) {
      let input = try source.spool == nil ? open(source.path) : InputSource(path: source.path)
      // What the first reading left out.
      input.conversion?.tolerates = { _ in true }
      let meter = Meter()
      input.onRead = { bytes in meter.take(bytes) }
      let reader = LineReader(input)
      var skipped = source.skippedLines[...]
      while let line = try reader.next() {
        if Self.isBlank(line) { continue }
        if skipped.first == reader.lineNumber {
          skipped.removeFirst()
          continue
        }
        guard record < table.count else { throw PartitionError.inputChanged(path: source.name) }
        try body(record, line, RecordLocation(file: source.name, line: reader.lineNumber))
        record += 1
      }
      guard meter.count == known.bytes, meter.digest.hexadecimal() == known.sha256 else {
        throw PartitionError.inputChanged(path: source.name)
      }
    }
  }

  private static func isBlank(_ line: UnsafeRawBufferPointer) -> Bool {
    line.allSatisfy { $0 == 0x20 || $0 == 0x09 }
  }
}
