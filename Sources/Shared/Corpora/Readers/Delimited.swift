// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// Tables: RFC 4180 with commas or tabs. The first row names the fields; each other row becomes an object of
/// strings. Quoted values may hold separators, quotes ("") and line ends.
final class DelimitedReader: RecordSource {
  private let bytes: ByteReader
  private let separator: UInt8
  private var names: [String]?
  private let output = LineBuffer()
  private static let limit = LineReader.defaultLimit

  init(_ input: InputSource, separator: UInt8) {
    bytes = ByteReader(input)
    self.separator = separator
  }

  func next() throws -> RecordLine? {
    let names = try header()
    while true {
      let location = bytes.location
      guard let row = try row(at: location) else { return nil }
      if row.count == 1 && row[0].isEmpty { continue }
      guard row.count == names.count else {
        throw CorpusError.malformedRow(
          location, problem: "expected \(names.count) values, found \(row.count)")
      }
      var values: [String] = []
      for value in row { values.append(try UTF8Text.decode(value[...], at: location)) }
      return RecordLine(
        location: location,
        bytes: output.object { writer in
          for (name, value) in zip(names, values) { writer.field(name, value) }
        })
    }
  }

  private func header() throws -> [String] {
    if let names { return names }
    let location = bytes.location
    var names: [String] = []
    for value in try row(at: location) ?? [] {
      let name = try UTF8Text.decode(value[...], at: location)
      // What pandas writes for its index has no name.
      let used = name.isEmpty ? "column_\(names.count + 1)" : name
      if names.contains(where: { Array($0.utf8) == Array(used.utf8) }) {
        throw CorpusError.malformedTable(location, problem: "two columns named \"\(used)\"")
      }
      names.append(used)
    }
    self.names = names
    return names
  }

  /// The values of the next row; nil at the end.
  private func row(at location: RecordLocation) throws -> [[UInt8]]? {
    guard try bytes.peek() != nil else { return nil }
    var values: [[UInt8]] = [[]]
    var size = 0
    var isQuoted = false
    /// The value began with a quote that was closed.
    var wasQuoted = false
    while true {
      guard let byte = try bytes.next() else {
        if isQuoted {
          throw CorpusError.malformedTable(location, problem: "a quote that is never closed")
        }
        break
      }
      size += 1
      if size > Self.limit {
        throw CorpusError.malformedTable(location, problem: "a row longer than \(Self.limit) bytes")
      }
      let last = values.count - 1
      if isQuoted {
        if byte != UInt8(ascii: "\"") {
          values[last].append(byte)
        } else if try bytes.peek() == UInt8(ascii: "\"") {
          _ = try bytes.next()
          values[last].append(byte)
        } else {
          (isQuoted, wasQuoted) = (false, true)
        }
      } else if byte == separator {
        values.append([])
        wasQuoted = false
      } else if byte == 0x0a {
        break
      } else if byte == 0x0d, try bytes.peek() == 0x0a || bytes.peek() == nil {
        continue
      } else if byte == UInt8(ascii: "\""), values[last].isEmpty, !wasQuoted {
        isQuoted = true
      } else if wasQuoted {
        try skipRow()
        throw CorpusError.malformedRow(location, problem: "text behind a closing quote")
      } else {
        values[last].append(byte)
      }
    }
    return values
  }

  private func skipRow() throws(StreamError) {
    while let byte = try bytes.next(), byte != 0x0a {}
  }
}
