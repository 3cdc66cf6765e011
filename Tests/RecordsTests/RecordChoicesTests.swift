// SPDX-License-Identifier: Apache-2.0
import Records
import Streams
import Testing

@Suite struct RecordChoicesTests {
  private func with<Result>(
    _ line: String, _ body: (RecordFields) throws -> Result
  ) throws -> Result {
    try Array(line.utf8).withUnsafeBytes {
      try body(try RecordFields($0, at: RecordLocation(file: "f", line: 1)))
    }
  }

  /// The answers that public sets give: MMLU's number, ARC's labels, letters, texts, HellaSwag's digits.
  @Test(arguments: [
    (#"{"prompt":"q","choices":["a","b","c"],"answer":2}"#, 2),
    (#"{"prompt":"q","choices":["x","y"],"answer":"B"}"#, 1),
    (#"{"prompt":"q","choices":["x","y"],"answer":"x"}"#, 0),
    (#"{"prompt":"q","choices":["x","y"],"answer":"1"}"#, 1),
    (#"{"prompt":"q","choices":["2","1"],"answer":"1"}"#, 1),
    (#"{"prompt":"q","choices":{"text":["x","y"],"label":["1","2"]},"answer":"1"}"#, 0),
    (#"{"choices":{"text":["x","y"],"label":["B","A"]},"answer":"A","prompt":"q"}"#, 1),
  ])
  func answersAreFound(line: String, index: Int) throws {
    let found = try with(line) { try RecordLayout().choices(of: $0) }
    #expect(found?.answer == index)
    #expect(found?.prompt == "q")
    let content = try with(line) { try RecordLayout().content(of: $0) }
    let completion = try #require(found?.choices[index])
    #expect(content == .promptCompletion(prompt: "q", completion: completion))
  }

  @Test(arguments: [
    (#"{"prompt":"q","choices":["a","b"],"answer":2}"#, "expected one of 2 choices, found 2"),
    (#"{"prompt":"q","choices":["a","b"],"answer":-1}"#, "found -1"),
    (#"{"prompt":"q","choices":["a","b"],"answer":"C"}"#, "found \"C\""),
    (#"{"prompt":"q","choices":["a","b"],"answer":null}"#, "found null"),
    (#"{"prompt":"q","choices":["a"],"answer":0}"#, "expected array of two strings or more"),
    (#"{"prompt":"q","choices":["a",1],"answer":0}"#, "choices"),
    (#"{"prompt":"q","choices":7,"answer":0}"#, "found number"),
    (#"{"prompt":"q","choices":["a","b"]}"#, "answer"),
  ])
  func whatFitsNoChoiceIsRefused(line: String, message: String) throws {
    do {
      _ = try with(line) { try RecordLayout().content(of: $0) }
      Issue.record("accepted")
    } catch let error as RecordError {
      #expect(error.message.contains(message), "\(error.message)")
    }
  }

  @Test func fieldsCanHaveOtherNames() throws {
    var layout = RecordLayout()
    for (field, name) in [("prompt", "ctx"), ("choices", "endings"), ("answer", "label")] {
      let isKnown = layout.map(field, to: name)
      #expect(isKnown)
    }
    let found = try with(#"{"ctx":"q","endings":["a","b"],"label":"1"}"#) {
      try layout.choices(of: $0)
    }
    #expect(found == RecordChoices(prompt: "q", choices: ["a", "b"], answer: 1))
  }

  @Test func whatAModelSaysIsReadAsItIsWritten() throws {
    var score = RecordScore()
    score.model.tokenNLL = [1, 2, 3, 4, 5, 6.5]
    score.model.aloneNLL = 7.25
    score.model.ifdLoss = 0.5
    score.model.ifdPerplexity = 0.25
    score.model.alignment = -1
    score.model.referenceNLL = 2
    score.model.learnability = 0.125
    score.model.choices = ModelScore.Choices(
      nll: [1, 2], picked: 0, pickedByCharacters: 1, pickedByBytes: 0, answer: 1)
    score.model.answer = "a \"b\""
    score.model.isExactMatch = false
    var writer = JSONWriter()
    writer.object { writer in
      writer.key("cl_score")
      score.write(to: &writer)
    }
    let line = String(decoding: writer.bytes, as: UTF8.self)
    #expect(try with(line) { try RecordScore(of: $0) }?.model == score.model)
  }
}
