// SPDX-License-Identifier: Apache-2.0
import Examples
import Foundation
import Records
import Streams
import TestSupport
import Testing
import Tokenization

@Suite struct OpenAnswerTests {
  /// The example of a choice is that of the whole exchange up to the end of the answer's text.
  @Test(arguments: ["chatml", "none"])
  func openAnswersEndWithTheirText(template: String) throws {
    let tokenizer = try smallTokenizer()
    let encoder = try encoder(tokenizer, template: template, trainOn: .all)
    for answer in ["A window system.", " it is", "x"] {
      let whole = try encoder.encode(
        .promptCompletion(prompt: "What is X?", completion: answer), at: place)
      let open = try encoder.encode(prompt: "What is X?", answer: answer, at: place)
      #expect(whole.tokens.starts(with: open.tokens))
      #expect(open.tokens.count < whole.tokens.count)
      let said = targets(open).map { open.tokens[$0] }
      #expect(tokenizer.decodeText(said).hasSuffix(answer))
      #expect(tokenizer.decodeText(open.tokens).hasSuffix(answer))
      #expect(targets(open) == Array((open.tokens.count - said.count)..<open.tokens.count))
    }
  }

  @Test func trimmedAnswersAreFoundInTheTemplate() throws {
    let tokenizer = try smallTokenizer()
    let encoder = try encoder(tokenizer, template: "mistral")
    let open = try encoder.encode(prompt: "q", answer: "  two words \n", at: place)
    #expect(tokenizer.decodeText(open.tokens).hasSuffix("[/INST] two words"))
    #expect(tokenizer.decodeText(targets(open).map { open.tokens[$0] }) == " two words")
  }

  @Test func documentsBeginAndAnswersEndWithTokensOfTheirOwn() throws {
    let tokenizer = try smallTokenizer()
    let encoder = try encoder(tokenizer)
    // No beginning token is put before texts, so the end of the document before stands there.
    #expect(encoder.documentStart == tokenizer.id(of: "<|endoftext|>"))
    let end = try #require(tokenizer.id(of: "<|im_end|>"))
    #expect(encoder.answerEnds.contains(end))
    #expect(try ExampleEncoder(tokenizer: nil).documentStart == nil)
    #expect(try ExampleEncoder(tokenizer: nil).answerEnds.isEmpty)
  }
}
