// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute
import Devices
import LanguageModels
import Streams
import TestSupport
import Testing

/// Answers written token by token, against transformers (Tests/Interop/make_greedy.py).
@Suite struct GreedyAnswersTests {
  private func expected(_ name: String) throws -> [[Int32]] {
    let bytes = try InputSource(path: PackageLayout.fixture("golden/greedy.json")).readAll()
    let lists = try JSONValue(parsing: bytes)[name]?.elements ?? []
    return lists.map { ($0.elements ?? []).compactMap(\.int).map { Int32($0) } }
  }

  private func model(_ golden: Golden, _ device: String = "cpu") throws -> LanguageModel {
    let base = try BaseModel(path: golden.modelPath)
    let adapter = try AdapterReader.read(path: "\(golden.folder)/adapter-final")
    return try LanguageModel(
      base: base, adapter: adapter, device: try DeviceCatalog.make(device, threads: 2))
  }

  private func prompts(_ golden: Golden) -> [[Int32]] {
    golden.sequences.enumerated().map { Array($1.tokens.prefix(9 + 4 * $0)) }
  }

  @Test(arguments: Golden.names)
  func tokensAreThoseOfTheReference(name: String) throws {
    let golden = try Golden(name)
    let limits = AnswerLimits(stops: [], tokens: 24, context: 512)
    let expected = try expected(name)
    try #require(expected.count == 3)
    let model = try model(golden)
    #expect(try model.greedyAnswers(to: prompts(golden), limits: limits) == expected)
    // Alone, and in rows of single prompts, they are the same.
    var narrow = limits
    narrow.rowTokens = 1
    #expect(try model.greedyAnswers(to: prompts(golden), limits: narrow) == expected)
    #expect(
      try model.greedyAnswers(to: [prompts(golden)[1]], limits: limits) == [expected[1]])
  }

  /// Each token is the likeliest one by a whole pass over all before it.
  @Test(arguments: ["gemma3", "mistral", "phi3-mini-128k", "qwen3"])
  func everyTokenIsTheLikeliestOfAWholePass(name: String) throws {
    let golden = try Golden(name)
    let model = try model(golden, "reference")
    let vocabulary = model.config.vocabularySize
    // Beyond windows and the context from which on other frequencies hold.
    let prompt = golden.sequences[2].tokens + golden.sequences[2].tokens
    let answer = try model.greedyAnswers(
      to: [prompt], limits: AnswerLimits(stops: [], tokens: 12, context: 512))[0]
    #expect(answer.count == 12)
    let tokens = prompt + answer
    // With long positions an example's length counts, so each prefix has a pass of its own.
    for length in prompt.count..<tokens.count {
      let prefix = Array(tokens.prefix(length))
      let row = PackedRow([(prefix, [Bool](repeating: false, count: length))])
      let logits = try model.logits(row).suffix(vocabulary)
      let best = logits.enumerated().max { $0.element < $1.element }
      #expect(best?.offset == Int(tokens[length]))
    }
  }

  @Test func answersEndWhereTheyHaveTo() throws {
    let golden = try Golden("mistral")
    let model = try model(golden)
    let all = prompts(golden)
    let expected = try expected("mistral")
    func answers(_ prompts: [[Int32]], _ limits: AnswerLimits) throws -> [[Int32]] {
      try model.greedyAnswers(to: prompts, limits: limits)
    }
    // A stop is left out, and ends only the answer in which it comes.
    let stop = expected[0][3]
    let stopped = try answers(all, AnswerLimits(stops: [stop], tokens: 24, context: 512))
    for (answer, whole) in zip(stopped, expected) {
      #expect(answer == Array(whole.prefix { $0 != stop }))
    }
    #expect(stopped[0].count == 3)
    let narrow = try answers(all, AnswerLimits(stops: [], tokens: 24, context: 15))
    #expect(narrow == [Array(expected[0].prefix(6)), Array(expected[1].prefix(2)), []])
    #expect(try answers(all, AnswerLimits(stops: [], tokens: 0, context: 512)) == [[], [], []])
    #expect(
      try answers([[], all[1]], AnswerLimits(stops: [], tokens: 2, context: 512))
        == [[], Array(expected[1].prefix(2))])
    #expect(throws: ModelError.self) {
      _ = try answers([[1, 9999]], AnswerLimits(stops: [], tokens: 2, context: 512))
    }
  }
}
