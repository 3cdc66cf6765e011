// SPDX-License-Identifier: Apache-2.0
import Records
import Streams
import Testing

@Suite struct FieldScanTests {
  private let place = RecordLocation(file: "f", line: 3)

  /// The values of `names` in `text`, as they stand there.
  private func values(_ text: String, _ names: [String]) throws -> [String?] {
    let bytes = Array(text.utf8)
    return try bytes.withUnsafeBytes { line in
      var scan = FieldScan(names)
      try scan.read(line, at: place)
      return names.indices.map { index in
        scan[index].map { String(decoding: scan.bytes($0), as: UTF8.self) }
      }
    }
  }

  private func own(_ text: String) throws -> String {
    let bytes = Array(text.utf8)
    return try bytes.withUnsafeBytes { line in
      var scan = FieldScan([])
      try scan.read(line, at: place)
      var pieces: [UInt8] = []
      scan.forEachOwnPiece { pieces += $0 }
      return String(decoding: pieces, as: UTF8.self)
    }
  }

  @Test func fieldsAndPathsAreFound() throws {
    let text = #"{"a": 1, "cl_score":{"x":[1, 2],"tokens":7,"s":{"q":"y"}}, "b":"\"}", "c":null}"#
    #expect(
      try values(text, ["b", "cl_score.tokens", "a", "cl_score.s.q", "none", "cl_score.none", "c"])
        == [#""\"}""#, "7", "1", #""y""#, nil, nil, "null"])
  }

  @Test func aNameWithDotsWinsOverAPath() throws {
    #expect(try values(#"{"a":{"b":1},"a.b":2}"#, ["a.b"]) == ["2"])
    #expect(try values(#"{"a.b":2,"a":{"b":1}}"#, ["a.b"]) == ["2"])
    #expect(try values(#"{"a":{"b":1}}"#, ["a.b", "a"]) == ["1", #"{"b":1}"#])
  }

  @Test func escapedKeysAreTheSameKeys() throws {
    #expect(try values(#"{"\u0061":1}"#, ["a"]) == ["1"])
  }

  @Test(arguments: [
    (#"{"a":1,"a":2}"#, 7), (#"{"p":{"q":1,"q":2}}"#, 12), (#"{"a":1,"a":2"#, 7),
  ])
  func anAskedFieldMayNotStandTwice(text: String, offset: Int) {
    let name = text.contains("\"p\"") ? "p.q" : "a"
    #expect(
      throws: RecordError.malformedJSON(place, JSONError(.duplicateKey(name), at: offset))
    ) { try values(text, [name]) }
  }

  @Test(arguments: ["[]", "3", "\"x\""])
  func onlyObjectsAreRecords(text: String) {
    #expect(throws: RecordError.self) { try values(text, []) }
  }

  @Test(arguments: ["{\"a\":1", "{\"a\":1}}", "", "{\"a\":[}", "{\"a\":\"\\q\"}", "{\"b\":tru}"])
  func theWholeLineIsChecked(text: String) {
    #expect(throws: RecordError.self) { try values(text, ["a"]) }
  }

  @Test(arguments: [
    (#"{"t":"x"}"#, #"{"t":"x"}"#),
    (#"{"t":"x","cl_score":{"v":1,"s":[1,{"a":"}"}]}}"#, #"{"t":"x"}"#),
    (#"{"cl_score":1,"t":"x"}"#, #"{"t":"x"}"#),
    (#"{"cl_score":1, "cl_shard":{}, "t":"x"}"#, #"{"t":"x"}"#),
    (#"{"t":"x" , "cl_score":1 , "u":2,"cl_shard":3 }"#, #"{"t":"x"  , "u":2 }"#),
    (#"{"cl_score":1}"#, "{}"),
    (#"{"cl_a":1,"cl_b":2}"#, "{}"),
  ])
  func whatToolsAddedIsLeftOut(text: String, expected: String) throws {
    #expect(try own(text) == expected)
  }

  /// The key of a record is the same before and after a tool has added a field.
  @Test(arguments: [#"{"t":"x"}"#, #"{ "t" : "x" }"#, #"{"t":"x","u":[1] }"#, "{}", "{ }"])
  func addingAFieldLeavesTheOwnPiecesAsTheyWere(text: String) throws {
    let bytes = Array(text.utf8)
    let changed = try bytes.withUnsafeBytes {
      try RecordFields($0, at: place).setting("cl_score", to: Array("{\"v\":1}".utf8))
    }
    #expect(try own(String(decoding: changed, as: UTF8.self)) == text)
  }

  @Test func numbersAreReadWhereTheyAreNumbers() throws {
    let bytes = Array(#"{"a":12,"b":1.5,"c":"x","d":null}"#.utf8)
    try bytes.withUnsafeBytes { line in
      var scan = FieldScan(["a", "b", "c", "d", "e"])
      try scan.read(line, at: place)
      #expect(try scan.integer(0, at: place) == 12)
      #expect(try scan.number(1, at: place) == 1.5)
      #expect(throws: RecordError.self) { try scan.integer(1, at: place) }
      #expect(throws: RecordError.self) { try scan.number(2, at: place) }
      #expect(try scan.integer(3, at: place) == nil)
      #expect(try scan.number(4, at: place) == nil)
    }
  }
}
