// SPDX-License-Identifier: Apache-2.0
import Partitioning
import Records
import Streams
import Testing

@Suite struct RecordTableTests {
  private func table(
    _ lines: [String], by: String? = nil, layout: RecordLayout = RecordLayout()
  ) throws -> RecordTable {
    var table = RecordTable(choice: try by.map { try PropertyChoice(parsing: $0) }, layout: layout)
    for (index, line) in lines.enumerated() {
      try Array(line.utf8).withUnsafeBytes { bytes in
        let location = RecordLocation(file: "t", line: index + 1)
        try table.append(try RecordFields(bytes, at: location))
      }
    }
    try table.finish()
    return table
  }

  @Test func lengthIsTakenFromTheBestSource() throws {
    let scored = try table([#"{"text":"a b","input_ids":[1],"cl_score":{"tokens":9,"words":2}}"#])
    #expect(scored.lengthUnit == .tokens && scored.values(of: .length) == [9])
    let ids = try table([#"{"text":"a b","input_ids":[1,2,3],"cl_score":{"words":2}}"#])
    #expect(ids.lengthUnit == .inputIDs && ids.values(of: .length) == [3])
    let words = try table([
      #"{"text":" a  b\nc "}"#, #"{"prompt":"d e","completion":"f"}"#,
      #"{"messages":[{"role":"user","content":"g"},{"role":"assistant","content":"h\u00a0i\u3000j"}]}"#,
      #"{"text":"","cl_score":{"words":7}}"#,
    ])
    #expect(words.lengthUnit == .words && words.values(of: .length) == [3, 3, 4, 7])
  }

  @Test func fieldNamesOfWordsCanBeMapped() throws {
    var layout = RecordLayout()
    let isKnown = layout.map("text", to: "body")
    #expect(isKnown)
    #expect(try table([#"{"body":"x y"}"#], layout: layout).values(of: .length) == [2])
  }

  @Test func theUnitStaysThatOfTheFirstRecord() {
    let place = RecordLocation(file: "t", line: 2)
    #expect(throws: RecordError.missingField(place, field: "cl_score.tokens")) {
      try table([#"{"text":"a","cl_score":{"tokens":9}}"#, #"{"text":"a"}"#])
    }
    #expect(throws: RecordError.missingField(place, field: "input_ids")) {
      try table([#"{"input_ids":[9]}"#, #"{"text":"a"}"#])
    }
    #expect(throws: RecordError.self) { try table([#"{"text":"a"}"#], by: "tokens") }
  }

  @Test func axesThatSomeRecordLacksAreDropped() throws {
    let table = try table([
      #"{"text":"a","cl_score":{"sentences":1,"quality":0.5}}"#,
      #"{"text":"a","cl_score":{"sentences":2}}"#,
      #"{"text":"a","cl_score":{"sentences":3,"quality":0.5}}"#,
    ])
    #expect(table.axes == [.length, .sentences])
    #expect(table.values(of: .sentences) == [1, 2, 3])
  }

  @Test func labelsAreNumberedInTheOrderOfTheirBytes() throws {
    let lines = [#"{"text":"","m":{"k":"é"}}"#, #"{"text":"","m":{"k":"b"}}"#,
      #"{"text":"","m":{"k":3}}"#, #"{"text":"","m":{"k":"b"}}"#, #"{"text":"","m":{"k":true}}"#]
    let table = try table(lines, by: "label:m.k")
    #expect(table.labelNames == ["3", "b", "true", "é"])
    #expect(table.values(of: .label(field: "m.k")) == [3, 1, 0, 1, 2])
    let reversed = try self.table(lines.reversed(), by: "label:m.k")
    #expect(reversed.labelNames == table.labelNames)
  }

  @Test func canonicallyEqualLabelsStayDifferent() throws {
    let table = try table(
      [#"{"text":"","k":"\u00e9"}"#, #"{"text":"","k":"e\u0301"}"#], by: "label:k")
    #expect(table.values(of: .label(field: "k")) == [1, 0])
  }

  @Test(arguments: [
    (#"{"text":"a"}"#, "sentences"), (#"{"text":"a"}"#, "label:k"),
    (#"{"text":"a","k":null}"#, "label:k"), (#"{"text":"a","k":[1]}"#, "label:k"),
    (#"{"text":"a","cl_score":{"quality":"x"}}"#, "quality"),
    (#"{"text":"a","cl_score":{"quality":1e999}}"#, "quality"),
    (#"{"text":"a","cl_score":{"tokens":-1}}"#, "length"),
    (#"{"text":"a","cl_score":{"tokens":1.5}}"#, "length"),
    (#"{"text":"a","cl_score":7}"#, "length"), (#"{"input_ids":"x"}"#, "length"),
    (#"{"nothing":1}"#, "length"),
  ])
  func recordsWithoutTheirPropertyAreRefused(line: String, by: String) {
    #expect(throws: RecordError.self) { try table([line], by: by) }
  }

  @Test(arguments: [
    "", "size", "label:", "joint:length", "joint:length,length", "joint:length,tokens", "Length",
    "joint:label:a,label:b",
  ])
  func badPropertiesAreRefused(text: String) {
    #expect(throws: PartitionError.self) { try PropertyChoice(parsing: text) }
  }
}
