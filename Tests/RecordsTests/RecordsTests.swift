// SPDX-License-Identifier: Apache-2.0
import Records
import Streams
import TestSupport
import Testing

@Suite struct RecordContentTests {
  private func content(_ line: String) throws -> RecordContent? {
    let folder = try TemporaryDirectory()
    let path = try folder.write("r.jsonl", line + "\n")
    return try RecordReader(paths: [path]).next()?.content
  }

  @Test func layoutsAreRecognised() throws {
    #expect(try content(#"{"text":"a"}"#) == .text("a"))
    #expect(
      try content(#"{"prompt":"p","completion":"c"}"#)
        == .promptCompletion(prompt: "p", completion: "c"))
    #expect(
      try content(#"{"instruction":"i","input":"x","output":"o"}"#)
        == .promptCompletion(prompt: "i\n\nx", completion: "o"))
    #expect(
      try content(#"{"instruction":"i","input":"","output":"o"}"#)
        == .promptCompletion(prompt: "i", completion: "o"))
    #expect(
      try content(#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#)
        == .conversation([Message(role: .user, content: "q"), Message(role: .assistant, content: "a")]))
    #expect(
      try content(#"{"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}]}"#)
        == .conversation([Message(role: .user, content: "q"), Message(role: .assistant, content: "a")]))
    #expect(
      try content(#"{"input_ids":[1,2],"labels":[-100,2],"text":"ignored"}"#)
        == .tokens(inputIDs: [1, 2], labels: [-100, 2]))
  }

  @Test(arguments: [
    (#"{"text":null}"#, #"field "text": expected string, found null"#),
    (#"{"prompt":"p"}"#, #"field "completion": expected, but missing"#),
    (#"{"input_ids":[1],"labels":[1,2]}"#, #"field "labels": expected 1 entries as in "input_ids", found 2"#),
    (#"{"input_ids":[1.5]}"#, #"field "input_ids[0]": expected integer of at least 0, found another number"#),
    (#"{"messages":[{"role":"owner","content":""}]}"#,
     #"field "messages[0].role": expected system, user, assistant or tool, found "owner""#),
    ("[1]", "expected an object, found array"),
    (#"{"text":"a""#, "malformed JSON at byte 12: ends too early"),
    (#"{"body":"a"}"#,
     "expected a record with text, prompt and completion, instruction and output, messages, conversations, or input_ids, found only body"),
  ])
  func badRecordsAreNamed(line: String, message: String) throws {
    let error = #expect(throws: RecordError.self) { try content(line) }
    #expect(error?.message == message)
    #expect(error?.place.line == 1)
  }

  @Test func skippedLinesAreCounted() throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write("r.jsonl", "{\"text\":\"a\"}\nx\n\n{\"text\":\"b\"}\ny\n")
    let reader = RecordReader(paths: [path], skipInvalid: 1)
    var reported: [Int] = []
    reader.onSkip = { reported.append(($0 as? RecordError)?.place.line ?? 0) }
    #expect(try reader.next()?.content == .text("a"))
    #expect(try reader.next()?.content == .text("b"))
    #expect(throws: RecordError.self) { try reader.next() }
    #expect(reported == [2])
  }
}

@Suite struct RecordFieldsTests {
  private func setting(_ line: String, _ json: String) throws -> String {
    let bytes = Array(line.utf8)
    return try bytes.withUnsafeBytes { buffer in
      let fields = try RecordFields(buffer, at: RecordLocation(file: "f", line: 1))
      return String(decoding: fields.setting("cl_score", to: Array(json.utf8)), as: UTF8.self)
    }
  }

  @Test func otherBytesPassThrough() throws {
    #expect(
      try setting(#"{ "text" : "\u0061" , "n":1.50 } "#, "{}")
        == #"{ "text" : "\u0061" , "n":1.50 ,"cl_score":{}} "#)
    #expect(try setting("{}", "1") == #"{"cl_score":1}"#)
    #expect(
      try setting(#"{"cl_score": {"v":1} ,"text":"a"}"#, "2") == #"{"cl_score": 2 ,"text":"a"}"#)
  }
}
