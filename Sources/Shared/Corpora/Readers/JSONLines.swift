// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// JSON Lines: each line as it stands; blank lines are passed over.
final class JSONLinesReader: CorpusReader {
  private let lines: LineReader

  init(path: String) throws(StreamError) {
    lines = LineReader(try InputSource(path: path))
  }

  func next() throws -> CorpusLine? {
    while let line = try lines.next() {
      if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
      return CorpusLine(
        location: RecordLocation(file: lines.name, line: lines.lineNumber), bytes: line)
    }
    return nil
  }
}
