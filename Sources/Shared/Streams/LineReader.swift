// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Cuts an input into lines without copying them.
///
/// Lines end in LF; a CR before it belongs to the line end and is cut off too. A last line without
/// LF counts. A byte order mark of UTF-8 at the start is dropped. Memory is one buffer of at most the line limit.
package final class LineReader {
  package static let defaultLimit = 16 << 20
  static let byteOrderMark: [UInt8] = [0xef, 0xbb, 0xbf]

  /// The input's name for messages.
  package let name: String
  /// Number of the line that ``next()`` gave last, from 1.
  package private(set) var lineNumber = 0

  private let source: InputSource
  private let limit: Int
  private var buffer: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0
  private var scanned = 0
  private var atEnd = false

  package init(_ source: InputSource, limit: Int = LineReader.defaultLimit) {
    self.source = source
    self.limit = limit
    name = source.name
    buffer = .allocate(byteCount: 1 << 18, alignment: 64)
  }

  deinit { buffer.deallocate() }

  /// The next line without its end, or nil after the last one. Valid until the next call.
  ///
  /// - Throws: ``StreamError/lineTooLong(path:line:limit:)`` and reading errors.
  package func next() throws(StreamError) -> UnsafeRawBufferPointer? {
    while true {
      if let base = buffer.baseAddress, scanned < end,
        let found = memchr(base + scanned, 0x0a, end - scanned)
      {
        let stop = UnsafeRawPointer(found) - UnsafeRawPointer(base)
        return try take(upTo: stop, resumingAt: stop + 1)
      }
      scanned = end
      if atEnd {
        if start == end { return nil }
        // Nothing but a byte order mark.
        if lineNumber == 0, buffer[start..<end].elementsEqual(LineReader.byteOrderMark) {
          return nil
        }
        return try take(upTo: end, resumingAt: end)
      }
      if end - start > limit {
        throw .lineTooLong(path: name, line: lineNumber + 1, limit: limit)
      }
      try fill()
    }
  }

  private func take(
    upTo stop: Int, resumingAt resume: Int
  ) throws(StreamError) -> UnsafeRawBufferPointer {
    if stop - start > limit {
      throw .lineTooLong(path: name, line: lineNumber + 1, limit: limit)
    }
    if lineNumber == 0, buffer[start..<stop].starts(with: LineReader.byteOrderMark) { start += 3 }
    var last = stop
    if last > start, buffer[last - 1] == 0x0d { last -= 1 }
    let line = UnsafeRawBufferPointer(rebasing: buffer[start..<last])
    start = resume
    scanned = resume
    lineNumber += 1
    return line
  }

  private func fill() throws(StreamError) {
    if start > 0 {
      if end > start, let base = buffer.baseAddress {
        memmove(base, base + start, end - start)
      }
      end -= start
      scanned -= start
      start = 0
    }
    if end == buffer.count {
      let larger = UnsafeMutableRawBufferPointer.allocate(
        byteCount: buffer.count * 2, alignment: 64)
      larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[..<end]))
      buffer.deallocate()
      buffer = larger
    }
    let count = try source.read(into: .init(rebasing: buffer[end...]))
    if count == 0 { atEnd = true } else { end += count }
  }
}
