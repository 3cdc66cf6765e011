// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// Plain text: `{"text":…,"source":PATH}`, with `"line"` where a file gives several records. The text of a
/// file is kept as it is; paragraphs and lines lose the white space around them.
final class PlainTextReader: RecordSource {
  private let input: InputSource
  private let unit: TextUnit
  private var isRead = false
  private lazy var lines = LineReader(input)
  private let output = LineBuffer()
  static let limit = LineReader.defaultLimit

  init(_ input: InputSource, unit: TextUnit) {
    self.input = input
    self.unit = unit
  }

  func next() throws -> RecordLine? {
    switch unit {
    case .file: return try file()
    case .paragraph: return try paragraph()
    case .line:
      while let line = try lines.next() {
        if !Self.isBlank(line) { return try record(Array(line), line: lines.lineNumber) }
      }
      return nil
    }
  }

  private func file() throws -> RecordLine? {
    if isRead { return nil }
    isRead = true
    let location = RecordLocation(file: input.name, line: 1)
    let bytes: [UInt8]
    do throws(StreamError) { bytes = try input.readAll(limit: Self.limit) } catch {
      if case .tooLarge = error { throw CorpusError.recordTooLong(location, limit: Self.limit) }
      throw error
    }
    var content = bytes[...]
    if content.starts(with: [0xef, 0xbb, 0xbf]) { content = content.dropFirst(3) }
    if content.isEmpty { return nil }
    let text = try UTF8Text.decode(content, at: location)
    return RecordLine(
      location: location,
      bytes: output.object { writer in
        writer.field("text", text)
        writer.field("source", input.name)
      })
  }

  private func paragraph() throws -> RecordLine? {
    var text: [UInt8] = []
    var first = 0
    while let line = try lines.next() {
      if Self.isBlank(line) {
        if text.isEmpty { continue }
        break
      }
      if text.isEmpty { first = lines.lineNumber } else { text.append(0x0a) }
      text.append(contentsOf: line)
      if text.count > Self.limit {
        throw CorpusError.recordTooLong(
          RecordLocation(file: input.name, line: first), limit: Self.limit)
      }
    }
    return text.isEmpty ? nil : try record(text, line: first)
  }

  private func record(_ bytes: [UInt8], line: Int) throws -> RecordLine {
    let location = RecordLocation(file: input.name, line: line)
    var content = bytes[...]
    while let last = content.last, Self.isSpace(last) { content.removeLast() }
    while let first = content.first, Self.isSpace(first) { content.removeFirst() }
    let text = try UTF8Text.decode(content, at: location)
    return RecordLine(
      location: location,
      bytes: output.object { writer in
        writer.field("text", text)
        writer.field("source", input.name)
        writer.field("line", line)
      })
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || (0x09...0x0d).contains(byte)
  }

  private static func isBlank(_ line: UnsafeRawBufferPointer) -> Bool {
    line.allSatisfy(isSpace)
  }
}
