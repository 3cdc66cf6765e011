// SPDX-License-Identifier: Apache-2.0
import Corpora
import Records
import Streams
import TestSupport
import Testing

/// Small bad files of every format: each gives one clear line with its place and the right status, or
/// where the format allows it whole records, and never a trap.
@Suite struct HostileFileTests {
  struct BadFile: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let category: FailureCategory
    /// What the message has to say.
    let says: String
    var testDescription: String { "\(name): \(says)" }

    init(_ name: String, _ bytes: [UInt8], _ says: String, _ category: FailureCategory = .badData) {
      (self.name, self.bytes, self.says, self.category) = (name, bytes, says, category)
    }
    init(_ name: String, _ text: String, _ says: String, _ category: FailureCategory = .badData) {
      self.init(name, Array(text.utf8), says, category)
    }
  }

  private static func zip(_ files: [(name: String, bytes: [UInt8])]) -> [UInt8] {
    ArchiveBytes.archive(files, .zip)
  }
  private static let line = Array(#"{"text":"a"}"#.utf8) + [0x0a]
  /// A zstd frame (RFC 8878) of one raw block of `{}` whose header asks for a window of 2^log bytes.
  private static func frame(windowLog: UInt8) -> [UInt8] {
    [0x28, 0xb5, 0x2f, 0xfd, 0x00, (windowLog - 10) << 3, 3 << 3 | 1, 0, 0] + Array("{}\n".utf8)
  }
  private static func changed(_ bytes: [UInt8], at index: Int, to value: UInt8) -> [UInt8] {
    var bytes = bytes
    bytes[index] = value
    return bytes
  }

  static let files: [BadFile] = [
    BadFile("cut.jsonl.gz", [0x1f], "header cut off"),
    BadFile("cut2.jsonl.gz", [0x1f, 0x8b, 8], "truncated"),
    BadFile("method.jsonl.gz", [0x1f, 0x8b, 9, 0, 0, 0, 0, 0, 0, 3, 0], "compressed data"),
    BadFile("junk.jsonl.gz", ArchiveBytes.packed(line, .gzip) + [1, 2, 3], "compressed data"),
    BadFile("cut.jsonl.zst", Array(frame(windowLog: 20).dropLast(1)), "truncated"),
    BadFile("window.jsonl.zst", frame(windowLog: 40), "compressed data"),
    BadFile("cut.jsonl.xz", Array(ArchiveBytes.packed(line, .xz).dropLast(5)), "compressed data"),
    BadFile(
      "cut.jsonl.bz2", Array(ArchiveBytes.packed(line, .bzip2).dropLast(5)), "compressed data"),
    BadFile("empty.jsonl.bz2", [], "header cut off"),
    BadFile("open.json", "[", "expected \"]\""),
    BadFile("comma.json", "[{},]", "malformed JSON"),
    BadFile("row.csv", "a,b\n1\n", "malformed table"),
    BadFile("wide.csv", "a,b\n1,2,3\n", "malformed table"),
    BadFile("quote.csv", "a,b\n\"1,2\n", "malformed table"),
    BadFile("behind.csv", "a\n\"1\"2\n", "malformed table"),
    BadFile("utf.csv", [0x61, 0x0a, 0xff, 0x0a], "expected UTF-8"),
    BadFile("wide.tsv", "a\tb\n1\t2\t3\n", "malformed table"),
    BadFile("latin.txt", [0x63, 0x61, 0x66, 0xe9], "expected UTF-8"),
    BadFile("utf16.txt", [0xff, 0xfe, 0x61, 0x00], "found UTF-16LE"),
    BadFile("open.xml", "<mediawiki><page><title>a</title>", "malformed XML"),
    BadFile(
      "entity.xml", "<!DOCTYPE x [<!ENTITY a \"b\">]><mediawiki>&a;</mediawiki>", "malformed XML"),
    BadFile("tag.xml", "<mediawiki><page></mediawiki>", "malformed XML"),
    BadFile("head.warc", "WARC/1.0\r\nWARC-Type: response\r\n", "malformed WARC"),
    BadFile(
      "length.warc", "WARC/1.0\r\nWARC-Type: response\r\nContent-Length: -5\r\n\r\n",
      "malformed WARC"),
    BadFile(
      "huge.warc",
      "WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: 99999999999999999999\r\n\r\n",
      "malformed WARC"),
    BadFile(
      "short.warc", "WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: 50\r\n\r\nabc",
      "malformed WARC"),
    BadFile(
      "cut.tar", Array(ArchiveBytes.archive([(name: "a.jsonl", bytes: line)], .tar).prefix(900)),
      "truncated"),
    BadFile("cut.zip", Array(zip([(name: "a.jsonl", bytes: line)]).dropLast(30)), "archive"),
    BadFile("none.zip", [0x50, 0x4b, 3, 4], "archive"),
    BadFile(
      "nested.zip", zip([(name: "in.zip", bytes: zip([(name: "a.jsonl", bytes: line)]))]),
      "archive within"),
    BadFile("inner.zip", zip([(name: "a.jsonl.gz", bytes: [0x1f, 0x8b, 8, 0])]), "truncated"),
    BadFile("text.zip", zip([(name: "a.txt", bytes: [0xff])]), "expected UTF-8"),
    BadFile(
      "sum.tar.gz",
      changed(ArchiveBytes.archive([(name: "a.jsonl", bytes: line)], .tar, .gzip), at: 40, to: 0),
      ""),
    BadFile("x.parquet", "PAR1....", "Parquet", .unsupportedConfiguration),
    BadFile("x.arrow", "ARROW1..", "Arrow", .unsupportedConfiguration),
    BadFile("x.pdf", "%PDF-1.7", "PDF", .unsupportedConfiguration),
    BadFile("x.7z", [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], "7-Zip", .unsupportedConfiguration),
    BadFile("line.index", "word\tA\n", "malformed dictd index"),
  ]

  private func read(_ path: String) throws -> Int {
    let lines = LineReader(try Corpus.lines(path))
    var count = 0
    while try lines.next() != nil { count += 1 }
    return count
  }

  @Test(arguments: files)
  func aBadFileGivesOneClearLine(file: BadFile) throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write(file.name, file.bytes)
    if file.name.hasSuffix(".index") { try folder.write("line.dict", "text") }
    do {
      let found = try read(path)
      Issue.record("\(found) records out of a bad file")
    } catch let error as any Diagnosable {
      #expect(error.category == file.category)
      #expect((error.location ?? "").hasPrefix(path), "\(error.location ?? "no place")")
      #expect(error.message.contains(file.says), "\(error.message)")
      #expect(
        !error.message.isEmpty && !error.message.contains("\n") && error.message.utf8.count < 400)
    }
  }

  /// Odd, but nothing is wrong with them.
  @Test func oddFilesAreRead() throws {
    let folder = try TemporaryDirectory()
    func count(_ name: String, _ bytes: [UInt8]) throws -> Int {
      try read(try folder.write(name, bytes))
    }
    #expect(try count("empty.jsonl", []) == 0)
    #expect(try count("empty.json", Array("[]".utf8)) == 0)
    #expect(try count("empty.zip", ArchiveBytes.archive([], .zip)) == 0)
    #expect(try count("mark.jsonl", [0xef, 0xbb, 0xbf]) == 0)
    #expect(try count("header.csv", Array("a,b\n".utf8)) == 0)
    #expect(try count("nothing.html", Array("<html>".utf8)) <= 1)
    #expect(try count("none.xml", Array("<mediawiki></mediawiki>".utf8)) == 0)
    // The longest window of zstd --long=31; a longer one is refused.
    #expect(try count("long.jsonl.zst", Self.frame(windowLog: 31)) == 1)
    let skippable: [UInt8] = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9]
    #expect(try count("skip.jsonl.zst", skippable + ArchiveBytes.packed(Self.line, .zstd)) == 1)
    #expect(
      try count(
        "two.jsonl.gz",
        ArchiveBytes.packed(Self.line, .gzip) + ArchiveBytes.packed(Self.line, .gzip) + [0, 0]) == 2
    )
  }

  /// Whatever single byte of a file is changed, the answer is an error or records, never a trap.
  @Test(arguments: [
    "x.csv", "x.json", "x.xml", "x.html", "x.warc", "x.zip", "x.tar", "x.jsonl.zst",
  ])
  func anyByteMayChange(name: String) throws {
    let folder = try TemporaryDirectory()
    let bytes: [UInt8] =
      switch name {
      case "x.csv": Array("text,n\n\"a\"\"b\nc\",1\r\nd,2\n".utf8)
      case "x.json": Array(#"[{"text":"a\né","n":[1,{"b":null}]}, {"text":"c"}]"#.utf8)
      case "x.xml":
        Array(
          "<mediawiki><page><title>T</title><ns>0</ns><id>1</id><revision><text>'''T''' is {{x|y}} [[a|b]].</text></revision></page></mediawiki>"
            .utf8)
      case "x.html":
        Array(
          "<!doctype html><html><title>T</title><body><p>a &amp; b<pre>c</pre><ul><li>d</ul></body></html>"
            .utf8)
      case "x.warc":
        Array("WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: 3\r\n\r\nabc\r\n\r\n".utf8)
      case "x.zip": Self.zip([(name: "a.jsonl", bytes: Self.line)])
      case "x.tar":
        Array(ArchiveBytes.archive([(name: "a.jsonl", bytes: Self.line)], .tar).prefix(2048))
      default: ArchiveBytes.packed(Self.line, .zstd)
      }
    // Headers of tar are long and mostly zero.
    for index in stride(from: 0, to: bytes.count, by: name == "x.tar" ? 7 : 1) {
      for value in [0, 0x22, 0x3c, 0x7f, 0xff, bytes[index] ^ 1] as [UInt8] {
        let path = try folder.write(name, Self.changed(bytes, at: index, to: value))
        do { _ = try read(path) } catch { #expect(error is any Diagnosable) }
      }
    }
  }
}
