// SPDX-License-Identifier: Apache-2.0
package import Records
internal import Streams

/// Reads what a run left behind: a folder laid out as in Documentation/formats/report.md, or a stream
/// of scored records and lines of our tools in any mix. What is missing stays empty.
package struct RunReader {
  private let skipLimit: Int
  private let onSkip: (RecordError) -> Void

  /// - Parameters:
  ///   - skipInvalid: how many damaged lines to tolerate in each run.
  ///   - onSkip: called for each of them.
  package init(skipInvalid: Int = 0, onSkip: @escaping (RecordError) -> Void = { _ in }) {
    skipLimit = skipInvalid
    self.onSkip = onSkip
  }

  /// Reads a folder, a file of lines, or `-`.
  ///
  /// - Throws: ``ReportError``, ``RecordError`` for a damaged line, `StreamError`.
  package func read(_ path: String) throws -> Run {
    var skipped = 0
    if path != "-" && FileSystem.isDirectory(path) {
      var folder = path
      while folder.count > 1 && folder.hasSuffix("/") { folder.removeLast() }
      let name = folder == "." || folder == "/" ? "run" : FileSystem.lastComponent(folder)
      var collector = RunCollector(run: Run(name: name, isFolder: true))
      try readFolder(folder, into: &collector, &skipped)
      if collector.run.isEmpty { throw ReportError.noRun(path: path) }
      return collector.run
    }
    let source = try InputSource(path: path)
    let name = path == "-" ? source.name : FileSystem.lastComponent(path)
    var collector = RunCollector(run: Run(name: name, isFolder: false))
    try readLines(source, FileRole(path: name), into: &collector, &skipped)
    if collector.run.isEmpty { throw ReportError.nothingToReport(name: source.name) }
    return collector.run
  }

  // MARK: Folders

  private func readFolder(
    _ folder: String, into collector: inout RunCollector, _ skipped: inout Int
  ) throws {
    let files = try RunReader.files(in: folder, below: "")
    let hasShards = files.contains { $0.hasPrefix("shards/") && isLines($0) }
    for file in files {
      let path = "\(folder)/\(file)"
      let role = FileRole(path: file)
      if AdapterOrigin.isAdapter(file) {
        collector.run.adapters.append(try AdapterOrigin(path: path, role: role))
        collector.run.filesRead.append(path)
      } else if isLines(file) {
        // At the top lie the records before they were split; the shards hold the same ones.
        if hasShards && !file.contains("/") && !RunReader.isOurs(file) { continue }
        try readLines(try InputSource(path: path), role, into: &collector, &skipped)
      } else if file.hasSuffix(".json") {
        try readObject(try InputSource(path: path), role, into: &collector, &skipped)
      }
    }
    try Provenance.check(&collector.run, folder: folder)
  }

  private func isLines(_ file: String) -> Bool {
    [".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.bz2", ".jsonl.xz"].contains {
      file.hasSuffix($0)
    }
  }

  /// Files at the top of a run whose lines are no user records.
  private static func isOurs(_ file: String) -> Bool {
    ["eval", "aggregate", "events", "manifest"].contains { file.hasPrefix($0) }
      || file.contains(".events.")
  }

  /// Files of the folders that a run is made of, in the order of their paths' bytes.
  private static func files(in folder: String, below prefix: String) throws(StreamError) -> [String]
  {
    var found: [String] = []
    for name in try FileSystem.entries(of: prefix.isEmpty ? folder : "\(folder)/\(prefix)") {
      let path = prefix.isEmpty ? name : "\(prefix)/\(name)"
      if name.hasPrefix(".") { continue }
      if FileSystem.isDirectory("\(folder)/\(path)") {
        let isPart =
          name == "shards" || name == "eval" || name.hasPrefix("arm-") || name.hasPrefix("round-")
        let depth = path.split(separator: "/").count
        if isPart && depth <= 4 { found += try files(in: folder, below: path) }
      } else {
        found.append(path)
      }
    }
    return found
  }

  // MARK: Lines

  private func readLines(
    _ source: InputSource, _ role: FileRole, into collector: inout RunCollector,
    _ skipped: inout Int
  ) throws {
    if source.name != InputSource.standardInputName { collector.run.filesRead.append(source.name) }
    let reader = LineReader(source)
    while let line = try reader.next() {
      if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
      let location = RecordLocation(file: reader.name, line: reader.lineNumber)
      do throws(RecordError) {
        try collector.add(try RecordFields(line, at: location), role)
      } catch {
        guard skipped < skipLimit else { throw error }
        skipped += 1
        onSkip(error)
      }
    }
  }

  /// A file with one object, on one line or on many; several objects are read line by line.
  private func readObject(
    _ source: InputSource, _ role: FileRole, into collector: inout RunCollector,
    _ skipped: inout Int
  ) throws {
    let bytes = try source.readAll()
    collector.run.filesRead.append(source.name)
    if bytes.allSatisfy({ $0 == 0x20 || ($0 >= 0x09 && $0 <= 0x0d) }) { return }
    try bytes.withUnsafeBytes { buffer in
      var lines = [(number: 1, bytes: buffer)]
      do throws(RecordError) {
        _ = try RecordFields(buffer, at: RecordLocation(file: source.name, line: 1))
      } catch {
        if case .malformedJSON(_, let problem) = error {
          guard problem.problem == .trailingCharacters else {
            throw RunReader.placed(problem, in: buffer, of: source.name)
          }
          lines = RunReader.lines(of: buffer)
        }
      }
      for line in lines {
        let location = RecordLocation(file: source.name, line: line.number)
        do throws(RecordError) {
          try collector.add(try RecordFields(line.bytes, at: location), role)
        } catch {
          // Files of other programs, such as PEFT's configuration, may hold anything.
          if case .notAnObject = error { continue }
          guard skipped < skipLimit else { throw error }
          skipped += 1
          onSkip(error)
        }
      }
    }
  }

  private static func lines(
    of buffer: UnsafeRawBufferPointer
  ) -> [(number: Int, bytes: UnsafeRawBufferPointer)] {
    var lines: [(Int, UnsafeRawBufferPointer)] = []
    for (index, part) in buffer.split(separator: 0x0a, omittingEmptySubsequences: false)
      .enumerated()
    where !part.allSatisfy({ $0 <= 0x20 }) {
      lines.append((index + 1, UnsafeRawBufferPointer(rebasing: part)))
    }
    return lines
  }

  /// The error with the line that its offset is on, and the offset in that line.
  private static func placed(
    _ error: JSONError, in buffer: UnsafeRawBufferPointer, of name: String
  ) -> RecordError {
    let before = buffer.prefix(max(0, error.offset))
    let line = before.count { $0 == 0x0a } + 1
    let start = before.lastIndex(of: 0x0a).map { $0 + 1 } ?? 0
    return .malformedJSON(
      RecordLocation(file: name, line: line), JSONError(error.problem, at: error.offset - start))
  }
}
