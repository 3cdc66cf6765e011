// SPDX-License-Identifier: Apache-2.0
package import Streams

/// One record of an input, not yet checked.
package struct RecordLine {
  package let location: RecordLocation
  /// The record's JSON without a line end. Valid until the source's next line.
  package let bytes: UnsafeRawBufferPointer

  package init(location: RecordLocation, bytes: UnsafeRawBufferPointer) {
    self.location = location
    self.bytes = bytes
  }
}

/// Where records come from, one after the other, in an order that only the input decides.
package protocol RecordSource: AnyObject {
  /// The next record, or nil after the last one.
  ///
  /// After an error that is about one record (``RecordError``, and what the source says so of) the
  /// next call goes on behind that record.
  func next() throws -> RecordLine?
}

/// JSON Lines: each line as it stands; blank lines are passed over.
package final class JSONLinesSource: RecordSource {
  private let lines: LineReader

  package init(_ input: InputSource) { lines = LineReader(input) }

  package func next() throws -> RecordLine? {
    while let line = try lines.next() {
      if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
      return RecordLine(
        location: RecordLocation(file: lines.name, line: lines.lineNumber), bytes: line)
    }
    return nil
  }
}
