// SPDX-License-Identifier: Apache-2.0
import Corpora
import Records
import Streams
import TestSupport
import Testing

/// The records of a corpus, one by one, as bytes.
func records(_ path: String, _ options: CorpusOptions = CorpusOptions()) throws -> [[UInt8]] {
  let corpus = Corpus(paths: [path], options: options)
  var result: [[UInt8]] = []
  while let line = try corpus.next() { result.append(Array(line.bytes)) }
  return result
}

@Suite struct ContainerTests {
  /// JSON Lines of random sizes and characters.
  private func corpus(seed: UInt64, count: Int) -> [[UInt8]] {
    var state = seed
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let pieces = ["word ", "é", "漢字", "\\n", "\\\"", "😀", "{", "]", "  ", "\\u00e9", "1.5"]
    return (0..<count).map { index in
      let text = (0..<random(60)).map { _ in pieces[random(pieces.count)] }.joined()
      return Array("{\"id\": \(index),\"text\":\"\(text)\"}".utf8)
    }
  }

  private func joined(_ lines: [[UInt8]]) -> [UInt8] { Array(lines.joined(separator: [0x0a])) }

  @Test(arguments: [UInt64(1), 2, 3])
  func everyContainerGivesTheSameRecords(seed: UInt64) throws {
    let folder = try TemporaryDirectory()
    let lines = corpus(seed: seed, count: 300)
    let half = 140
    let parts = [joined(Array(lines[..<half])) + [0x0a], joined(Array(lines[half...]))]
    let whole = parts[0] + parts[1]
    var files: [(String, [UInt8])] = [("plain.jsonl", whole), ("bom.jsonl", [0xef, 0xbb, 0xbf] + whole)]
    let inner = [(name: "a/1.jsonl", bytes: parts[0]), (name: "b.jsonl", bytes: parts[1])]
    for packing in ArchiveBytes.Packing.allCases {
      files.append(("x.jsonl.\(packing)", ArchiveBytes.packed(whole, packing)))
      let members = parts.map { ArchiveBytes.packed($0, packing) }
      files.append(("members.\(packing)", members[0] + members[1]))
      files.append(("x.tar.\(packing)", ArchiveBytes.archive(inner, .tar, packing)))
      files.append(
        ("packed-within.\(packing).tar",
          ArchiveBytes.archive(zip(inner, members).map { ($0.name + ".gz", $1) }, .tar)))
    }
    files.append(("x.tar", ArchiveBytes.archive(inner, .tar)))
    files.append(("no-name-at-all", ArchiveBytes.archive(inner, .tar)))
    files.append(("x.zip", ArchiveBytes.archive(inner, .zip)))
    files.append(
      ("x.json", Array("[\n".utf8) + Array(lines.joined(separator: Array(",\n".utf8))) + [0x5d]))
    for (name, bytes) in files {
      let found = try records(try folder.write(name, bytes))
      if name == "x.json" {
        #expect(found.count == lines.count)
      } else {
        #expect(found == lines, "\(name)")
      }
    }
  }

  /// Cut anywhere, an archive gives an error or all its records (the end of a tar is padded).
  @Test(arguments: 0..<8)
  func truncationIsNeverTakenForTheEnd(kind: Int) throws {
    let folder = try TemporaryDirectory()
    let lines = corpus(seed: 9, count: 3)
    let text = joined(lines) + [0x0a]
    let files = [(name: "a.jsonl", bytes: text)]
    let packings = ArchiveBytes.Packing.allCases
    let (name, bytes): (String, [UInt8]) =
      switch kind {
      case 0..<4: ("x.jsonl.\(["gz", "bz2", "xz", "zst"][kind])", ArchiveBytes.packed(text, packings[kind]))
      case 4: ("x.tar", ArchiveBytes.archive(files, .tar))
      case 5: ("x.zip", ArchiveBytes.archive(files, .zip))
      case 6: ("x.tar.gz", ArchiveBytes.archive(files, .tar, .gzip))
      default: ("x.tar.zst", ArchiveBytes.archive(files, .tar, .zstd))
      }
    #expect(try records(try folder.write(name, bytes)) == lines)
    // A tar's header of 1.5 KiB and its end are looked at in steps.
    for count in 0..<bytes.count where kind != 4 || count < 40 || count % 16 == 0 {
      let path = try folder.write(name, Array(bytes[..<count]))
      if let found = try? records(path) {
        #expect(found == lines && kind == 4, "\(name) cut to \(count) of \(bytes.count) bytes")
      }
    }
  }

  /// Each flipped bit of the data is noticed: gzip's and zip's sums are checked.
  @Test func damageIsNoticed() throws {
    let folder = try TemporaryDirectory()
    let text = joined(corpus(seed: 4, count: 8)) + [0x0a]
    let packed = ArchiveBytes.packed(text, .gzip)
    for index in stride(from: 10, to: packed.count, by: 7) {
      var bytes = packed
      bytes[index] ^= 0x10
      let path = try folder.write("x.jsonl.gz", bytes)
      #expect(throws: StreamError.self, "byte \(index)") { try records(path) }
    }
    var zip = ArchiveBytes.archive([(name: "a.txt", bytes: text)], .zip)
    zip[60] ^= 1
    let path = try folder.write("x.zip", zip)
    #expect(throws: (any Error).self) { try records(path) }
  }

  @Test func bombsAreStopped() throws {
    let folder = try TemporaryDirectory()
    let zeros = [UInt8](repeating: 0x20, count: 80 << 20)
    let path = try folder.write("x.jsonl.gz", ArchiveBytes.packed(zeros, .gzip))
    #expect(throws: StreamError.expandsTooMuch(path: path, limit: 200)) {
      let input = try InputSource(path: path)
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
      defer { buffer.deallocate() }
      while try input.read(into: buffer) > 0 {}
    }
  }

  @Test func archivesInArchivesAreRefused() throws {
    let folder = try TemporaryDirectory()
    let inner = ArchiveBytes.archive([(name: "a.jsonl", bytes: Array("{}".utf8))], .tar)
    let path = try folder.write("x.tar", ArchiveBytes.archive([(name: "in.tar", bytes: inner)], .tar))
    #expect(throws: CorpusError.nestedArchive("\(path):in.tar")) { try records(path) }
  }

  @Test func otherFilesInArchivesAreCounted() throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write(
      "x.zip",
      ArchiveBytes.archive(
        [
          (name: "a.jpg", bytes: [0xff, 0xd8]), (name: "b.jsonl", bytes: Array("{\"a\":1}".utf8)),
          (name: "dir/c.csv", bytes: Array("t\nx\n".utf8)), (name: "README", bytes: [0x61]),
        ], .zip))
    let corpus = Corpus(paths: [path])
    var found: [String] = []
    while let line = try corpus.next() {
      found.append("\(line.location) \(String(decoding: line.bytes, as: UTF8.self))")
    }
    #expect(found == ["\(path):b.jsonl:1 {\"a\":1}", "\(path):dir/c.csv:2 {\"t\":\"x\"}"])
    #expect(corpus.entriesPassedOver == 2)
  }

  @Test func samplesOfWebDatasetAreOneRecordEach() throws {
    let folder = try TemporaryDirectory()
    func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
    let path = try folder.write(
      "x.tar",
      ArchiveBytes.archive(
        [
          (name: "s/0.json", bytes: bytes("{\"lang\": \"en\",\n\"id\":7}\n")),
          (name: "s/0.txt", bytes: bytes("one")), (name: "s/0.cls", bytes: bytes("3\n")),
          (name: "s/1.txt", bytes: bytes("two")), (name: "s/1.cls", bytes: bytes("cat")),
          (name: "s/2.txt", bytes: bytes("alone")), (name: "s/3.json", bytes: bytes("[{\"a\":1},{\"a\":2}]")),
          (name: "s/4.jsonl", bytes: bytes("{\"a\":3}\n")),
        ], .tar))
    #expect(
      try records(path).map { String(decoding: $0, as: UTF8.self) } == [
        "{\"lang\": \"en\", \"id\":7,\"text\":\"one\",\"label\":3,\"source\":\"\(path)\"}",
        "{\"text\":\"two\",\"label\":\"cat\",\"id\":\"s/1\",\"source\":\"\(path)\"}",
        "{\"text\":\"alone\",\"source\":\"\(path):s/2.txt\"}", "{\"a\":1}", "{\"a\":2}", "{\"a\":3}",
      ])
  }

  @Test func linesGiveWhatTheCorpusGives() throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write("x.csv", "text,n\n\"a\nb\",1\nc,2\n")
    let lines = LineReader(try Corpus.lines(path))
    var found: [[UInt8]] = []
    while let line = try lines.next() { found.append(Array(line)) }
    #expect(found == (try records(path)))
    let bad = LineReader(try Corpus.lines(try folder.write("y.csv", "a,b\n1,2\n3\n")))
    _ = try bad.next()
    #expect(throws: StreamError.self) { try bad.next() }
  }
}
