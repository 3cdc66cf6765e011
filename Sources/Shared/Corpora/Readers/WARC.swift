// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// Web archives (WARC 1.0 and 1.1, ISO 28500): the pages of `response` records, the text of `conversion`
/// records (WET): `{"text":…,"title":…,"url":…,"date":…,"id":…,"source":URL}`. Other records, other media
/// types, and answers other than 200 are passed over.
final class WARCReader: RecordSource {
  private let bytes: ByteReader
  private let output = LineBuffer()
  private static let lineLimit = 1 << 16
  private static let limit = LineReader.defaultLimit

  private struct Header {
    var fields: [String: String] = [:]
    subscript(_ name: String) -> String? { fields[name] }
  }

  init(_ input: InputSource) { bytes = ByteReader(input) }

  func next() throws -> RecordLine? {
    while let (header, length, location) = try header() {
      let type = header["warc-type"]
      let isWanted = type == "conversion" || type == "response"
      let isTooLong = length > Self.limit
      let block = try bytes.take(length, keeps: isWanted && !isTooLong)
      guard block.count == length else {
        throw CorpusError.malformedWARC(
          location, problem: "ends after \(block.count) of \(length) bytes")
      }
      if !isWanted { continue }
      if isTooLong { throw CorpusError.recordTooLong(location, limit: Self.limit) }
      var (text, title): (String, String?) = ("", nil)
      if type == "conversion" {
        text = try UTF8Text.decode(block.bytes[...], at: location)
      } else {
        guard let page = Self.page(block.bytes) else { continue }
        let content = try HTMLText(page, at: location)
        (text, title) = (content.text, content.title)
      }
      if text.isEmpty { continue }
      return RecordLine(
        location: location,
        bytes: output.object { writer in
          writer.field("text", text)
          writer.field("title", ifPresent: title)
          writer.field("url", ifPresent: header["warc-target-uri"])
          writer.field("date", ifPresent: header["warc-date"])
          writer.field("id", ifPresent: header["warc-record-id"])
          writer.field("source", header["warc-target-uri"] ?? bytes.name)
        })
    }
    return nil
  }

  /// The next record's named fields (names in lower case), its length and its place.
  private func header() throws -> (Header, length: Int, RecordLocation)? {
    // Two empty lines end a record; some writers leave more.
    while let byte = try bytes.peek(), byte == 0x0d || byte == 0x0a { _ = try bytes.next() }
    let location = bytes.location
    guard let version = try bytes.nextLine(limit: Self.lineLimit) else { return nil }
    guard version.starts(with: Array("WARC/".utf8)) else {
      throw CorpusError.malformedWARC(location, problem: "expected WARC/1.0 or 1.1")
    }
    var header = Header()
    var last = ""
    while true {
      guard let line = try bytes.nextLine(limit: Self.lineLimit) else {
        throw CorpusError.malformedWARC(location, problem: "ends within a header")
      }
      if line.isEmpty { break }
      let text = String(decoding: line, as: UTF8.self)
      if line[0] == 0x20 || line[0] == 0x09 {
        header.fields[last]? += " " + Self.trimmed(text[...])
      } else if let colon = text.firstIndex(of: ":") {
        last = text[..<colon].lowercased()
        header.fields[last] = Self.trimmed(text[text.index(after: colon)...])
      }
      if header.fields.count > 1000 {
        throw CorpusError.malformedWARC(location, problem: "more than 1,000 named fields")
      }
    }
    guard let length = header["content-length"].flatMap({ Int($0) }), length >= 0 else {
      throw CorpusError.malformedWARC(location, problem: "expected a Content-Length")
    }
    return (header, length, location)
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text
    while text.first == " " || text.first == "\t" { text.removeFirst() }
    while text.last == " " || text.last == "\t" { text.removeLast() }
    return String(text)
  }

  /// The HTML in an HTTP answer; nil if it is none, or packed.
  private static func page(_ answer: [UInt8]) -> [UInt8]? {
    var index = 0
    var lines: [String] = []
    while index < answer.count, lines.count < 1000 {
      let end = answer[index...].firstIndex(of: 0x0a) ?? answer.count
      let line = answer[index..<end].filter { $0 != 0x0d }
      index = min(end + 1, answer.count)
      if line.isEmpty { break }
      lines.append(String(decoding: line, as: UTF8.self).lowercased())
    }
    guard let status = lines.first, status.hasPrefix("http/"),
      status.split(separator: " ").dropFirst().first == "200"
    else { return nil }
    func value(_ name: String) -> String? {
      lines.first { $0.hasPrefix("\(name):") }.map { trimmed($0.dropFirst(name.utf8.count + 1)) }
    }
    guard value("content-type").map({ $0.hasPrefix("text/html") || $0.hasPrefix("application/xhtml") })
      ?? false
    else { return nil }
    if let encoding = value("content-encoding"), encoding != "identity" { return nil }
    let body = answer[index...]
    return value("transfer-encoding")?.contains("chunked") == true ? unchunked(body) : Array(body)
  }

  /// The body without its chunk sizes (RFC 9112, 7.1); as it is where it has none, since many crawlers
  /// store it so and keep the header.
  private static func unchunked(_ body: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    var rest = body
    while let end = rest.firstIndex(of: 0x0a) {
      let digits = rest[..<end].prefix { $0 != UInt8(ascii: ";") && $0 != 0x0d && $0 != 0x20 }
      guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0,
        size <= rest.endIndex - end - 1
      else { return Array(body) }
      if size == 0 { return result }
      result += rest[end + 1..<end + 1 + size]
      rest = rest[(end + 1 + size)...].drop { $0 == 0x0d || $0 == 0x0a }
    }
    return result
  }
}
