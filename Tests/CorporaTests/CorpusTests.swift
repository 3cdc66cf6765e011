// SPDX-License-Identifier: Apache-2.0
import Corpora
import Records
import Streams
import TestSupport
import Testing

@Suite struct CorpusTests {
  private func lines(
    _ paths: [String], format: String? = nil
  ) throws -> [(location: RecordLocation, text: String)] {
    let corpus = Corpus(paths: paths, options: try CorpusOptions(format: format, textUnit: nil))
    var result: [(location: RecordLocation, text: String)] = []
    while let line = try corpus.next() {
      result.append((line.location, String(decoding: line.bytes, as: UTF8.self)))
    }
    return result
  }

  @Test func formatsHaveNames() {
    #expect(throws: CorpusError.unknownFormat(name: "parquet")) {
      try CorpusCatalog.format(named: "parquet")
    }
  }

  @Test func filesFollowOneAnotherAndBlankLinesArePassedOver() throws {
    let folder = try TemporaryDirectory()
    let a = try folder.write("a.jsonl", "{\"a\":1}\n \t\n{\"a\":2}\r\n")
    let b = try folder.write("b.jsonl", "{\"b\":1}")
    let c = try folder.write("c.txt", "one\ntwo \"x\"\n")
    let found = try lines([a, b, c])
    #expect(
      found.map(\.text) == [
        "{\"a\":1}", "{\"a\":2}", "{\"b\":1}",
        "{\"text\":\"one\\ntwo \\\"x\\\"\\n\",\"source\":\"\(c)\"}",
      ])
    #expect(found.map(\.location.line) == [1, 3, 1, 1])
    #expect(found.map(\.location.file) == [a, a, b, c])
  }

  @Test func textHasToBeUTF8() throws {
    let folder = try TemporaryDirectory()
    let long = [UInt8](repeating: 0x61, count: 5000)
    let path = try folder.write("a.txt", long + [0xc3, 0xa4, 0xc3, 0x28] + long)
    #expect(throws: CorpusError.notUTF8(RecordLocation(file: path, line: 1), offset: 5002)) {
      try lines([path])
    }
  }

  @Test(arguments: [
    ("[]", []),
    (" [ ] \n", []),
    ("[{\"a\": 1},\n {\"b\":\n \"x y\"}]", ["{\"a\":1}", "{\"b\":\"x y\"}"]),
    ("{\"a\":1}{\"a\":2}\n{\"a\":3}", ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"]),
    ("[{\"a\":\"]}\\\"\\\\\"},{\"b\":[{}, [ ]]}]", ["{\"a\":\"]}\\\"\\\\\"}", "{\"b\":[{},[]]}"]),
    ("[1, \"a b\", null]", ["1", "\"a b\"", "null"]),
    ("", []),
  ] as [(String, [String])])
  func arraysAreCutIntoTheirElements(text: String, expected: [String]) throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write("a.json", text)
    #expect(try lines([path]).map(\.text) == expected)
  }

  @Test(arguments: ["[{}", "[{} {}]", "[{},", "[{}}"])
  func brokenArraysAreRefused(text: String) throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write("a.json", text)
    #expect(throws: CorpusError.self) { try lines([path]) }
  }

  @Test func cutOffRecordIsHandedOnToBeRefused() throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write("a.json", "[\n{\"a\":1},\n{\"a\":")
    let corpus = Corpus(paths: [path])
    _ = try corpus.next()
    let line = try #require(try corpus.next())
    #expect(line.location.line == 3)
    #expect(throws: RecordError.self) { try RecordFields(line.bytes, at: line.location) }
  }

  @Test func elementsMayBeLongerThanTheReadBuffer() throws {
    let folder = try TemporaryDirectory()
    let long = String(repeating: "x", count: 300_000)
    let path = try folder.write("a.json", "[{\"a\":\"\(long)\"},{\"a\":\"\(long)\"}]")
    #expect(try lines([path]).map(\.text.utf8.count) == [300_008, 300_008])
  }
}
