// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// One document a file: `{"text":…,"source":PATH}`. The text is kept as it is.
final class PlainTextReader: CorpusReader {
  private let path: String
  private var isRead = false
  private let output = LineBuffer()

  init(path: String) { self.path = path }

  func next() throws -> CorpusLine? {
    if isRead { return nil }
    isRead = true
    let source = try InputSource(path: path)
    let location = RecordLocation(file: source.name, line: 1)
    let text = try UTF8Text.decode(try source.readAll()[...], at: location)
    return CorpusLine(
      location: location,
      bytes: output.object { writer in
        writer.field("text", text)
        writer.field("source", source.name)
      })
  }
}
