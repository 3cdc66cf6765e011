// SPDX-License-Identifier: Apache-2.0
import Examples
import Records
import Scoring
import Streams
import Testing

/// A loss of a tenth of its id for every target, a tenth more for targets right after the first token;
/// notes what it was asked.
private final class IDProvider: LikelihoodProvider, AnswerProvider {
  let scale: Double
  private(set) var examples: [[Int32]] = []
  private(set) var prompts: [[[Int32]]] = []

  init(scale: Double = 0.1) { self.scale = scale }

  func likelihoods(of row: [Example]) -> [Likelihood] {
    examples += row.map(\.tokens)
    return row.map { example in
      let losses = example.tokens.indices.filter { example.isTarget[$0] }.map { index in
        Float(scale) * (Float(example.tokens[index]) + (index == 1 ? 1 : 0))
      }
      return Likelihood(
        nll: losses.reduce(0) { $0 + Double($1) }, targetTokens: losses.count, correctTokens: 0,
        losses: losses)
    }
  }

  func answers(to prompts: [[Int32]]) -> [String] {
    self.prompts.append(prompts)
    return prompts.map { "It is \($0.count).\n#### \($0.count) " }
  }
}

@Suite struct ModelQuestionsTests {
  private func scores(
    _ lines: [String], _ provider: IDProvider, reference: IDProvider? = nil,
    answers: Bool = false, _ change: (inout ScoringPass.Options) -> Void = { _ in }
  ) throws -> [ScoredRecord] {
    var options = ScoringPass.Options()
    options.encoder = try ExampleEncoder(tokenizer: nil)
    change(&options)
    let chunk = RecordChunk()
    for (index, line) in lines.enumerated() {
      Array(line.utf8).withUnsafeBytes {
        chunk.append($0, at: RecordLocation(file: "f", line: index + 1))
      }
    }
    let pass = ScoringPass(
      options, provider: provider, reference: reference, answerer: answers ? provider : nil)
    return try pass.score(chunk).map {
      guard case .scored(let record) = $0 else { throw CancellationError() }
      return record
    }
  }

  @Test func answersAreAskedForAgainWithoutTheirPrompts() throws {
    let provider = IDProvider()
    let lines = [
      "{\"input_ids\":[9,8,5,6,7,4,3],\"labels\":[-100,-100,5,6,-100,4,3]}",
      "{\"input_ids\":[1,2,3]}", "{\"input_ids\":[5,6],\"labels\":[-100,-100]}",
    ]
    let found = try scores(lines, provider) { $0.questions.documentStart = 2 }
    #expect(provider.examples == [[9, 8, 5, 6, 7, 4, 3], [2, 5, 6], [2, 4, 3], [1, 2, 3]])
    let first = found[0].score.model
    #expect(abs(try #require(found[0].score.nll) - 1.8) < 1e-6)
    #expect(abs(try #require(first.aloneNLL) - 2.0) < 1e-6)
    #expect(first.ifdLoss == 0.9)
    #expect(first.alignment == 0.05)
    // exp(-0.05)
    #expect(first.ifdPerplexity == 0.951229)
    // Nothing stands before the targets of a text, and nothing is known without targets.
    #expect(found[1].score.model == ModelScore())
    #expect(found[2].score.model == ModelScore())
  }

  /// g = exp(-4 (IFD - 1)): the quality of a pair of which the prompt hides the answer.
  @Test func pairsThatDoNotFitLoseQuality() throws {
    let line = { (last: Int) in
      "{\"input_ids\":[1,2,\(last)],\"labels\":[-100,-100,\(last)],"
        + "\"text\":\"A list of words is a list, and this is the end of it.\"}"
    }
    let plain = try scores([line(5)], IDProvider())[0].score
    // The provider finds targets behind the start dearer, so a negative scale makes the pair the dearer one.
    let asked = try scores([line(5)], IDProvider(scale: -0.1)) {
      $0.questions.documentStart = 0
    }[0].score
    #expect(asked.model.ifdLoss == nil && asked.quality == plain.quality)
    let better = try scores([line(5)], IDProvider()) { $0.questions.documentStart = 0 }[0].score
    #expect(better.model.ifdLoss == 0.833333)
    #expect(better.quality == plain.quality && better.score == plain.score)
    let worse = try scores([line(5)], WorseProvider()) { $0.questions.documentStart = 0 }[0].score
    #expect(worse.model.ifdLoss == 1.25)
    // exp(-1) and, at a length weight of a half, its root
    #expect(abs(try #require(worse.quality) - 0.367879 * (try #require(plain.quality))) < 2e-6)
    #expect(abs(try #require(worse.score) - 0.606531 * (try #require(plain.score))) < 2e-6)
  }

  private final class WorseProvider: LikelihoodProvider {
    func likelihoods(of row: [Example]) -> [Likelihood] {
      row.map { Likelihood(nll: $0.tokens[0] == 0 ? 4 : 5, targetTokens: 1, correctTokens: 0) }
    }
  }

  private func scores(
    _ lines: [String], _ provider: WorseProvider, _ change: (inout ScoringPass.Options) -> Void
  ) throws -> [ScoredRecord] {
    var options = ScoringPass.Options()
    options.encoder = try ExampleEncoder(tokenizer: nil)
    change(&options)
    let chunk = RecordChunk()
    for line in lines {
      Array(line.utf8).withUnsafeBytes {
        chunk.append($0, at: RecordLocation(file: "f", line: 1))
      }
    }
    return try ScoringPass(options, provider: provider).score(chunk).map {
      guard case .scored(let record) = $0 else { throw CancellationError() }
      return record
    }
  }

  @Test func quantilesAreValuesAtRanks() throws {
    let ids = (0...40).map { $0 * 37 % 41 }
    let found = try scores(["{\"input_ids\":\(ids)}"], IDProvider(scale: 1)) {
      $0.questions.tokenQuantiles = true
    }[0].score.model
    // The losses are 1...40, but 38 for 37, which comes first: ranks 2, 10, 20, 30, 38, 40.
    #expect(found.tokenNLL == [2, 10, 20, 30, 38, 40])
  }

  @Test func whatIsToBeLearntIsTheDifferenceATarget() throws {
    let found = try scores(
      ["{\"input_ids\":[1,2,3,4]}"], IDProvider(), reference: IDProvider(scale: 0.025))[0].score
    // .1 · (3 + 3 + 4) against .025 · 10, over three targets
    #expect(abs(try #require(found.model.referenceNLL) - 0.25) < 1e-6)
    #expect(found.model.learnability == 0.25)
  }

  @Test func answersAreComparedBehindTheMark() throws {
    let record = { (labels: String, answer: String) in
      "{\"input_ids\":[1,2,3,4],\"labels\":\(labels),\"prompt\":\"q\",\"completion\":\"\(answer)\"}"
    }
    let lines = [
      record("[-100,-100,-100,4]", "1 + 2 #### 3"), record("[-100,-100,3,4]", "#### 3"),
      record("[-100,2,3,4]", "no prompt"), "{\"input_ids\":[1,2,3],\"labels\":[-100,-100,3]}",
      record("[-100,-100,3,-100]", "It is 2.\\n#### 2"),
    ]
    let provider = IDProvider()
    let found = try scores(lines, provider, answers: true) {
      $0.questions.answerMark = "####"
      $0.questions.answersAtATime = 2
    }
    #expect(provider.prompts == [[[1, 2, 3], [1, 2]], [[1, 2]]])
    #expect(found.map(\.score.model.isExactMatch) == [true, false, nil, nil, true])
    #expect(found[0].score.model.answer == "It is 3.\n#### 3 ")
    let whole = try scores(lines, provider, answers: true)
    #expect(whole.map(\.score.model.isExactMatch) == [false, false, nil, nil, true])
  }

  @Test func choicesAreTheLikeliestAsAWholeACharacterAndAByte() {
    let question = RecordChoices(
      prompt: "", choices: ["aa", "\u{e9}\u{e9}\u{e9}", "bbbb", "bbbb"], answer: 2)
    // A character: 1.5, 1.0, 1.1; a byte: 1.5, 0.5, 1.1.
    let found = ModelScore.Choices(nll: [3, 3.1, 4.4, 4.4], of: question)
    #expect(found.picked == 0 && found.pickedByCharacters == 1 && found.pickedByBytes == 1)
    // A character: 1, 1.1, 1; a byte: 1, .55, 1.
    let other = ModelScore.Choices(nll: [2, 3.3, 4, 4], of: question)
    #expect(other.picked == 0 && other.pickedByCharacters == 0 && other.pickedByBytes == 1)
    #expect(ModelScore.Choices(nll: [9, 9, 1, 1], of: question).picked == 2)
  }

  @Test func summariesSayWhatWasAsked() throws {
    var parts = [ScoreSummary(context: 8), ScoreSummary(context: 8)]
    for index in 0..<4 {
      var score = RecordScore()
      score.model.aloneNLL = 6
      score.model.ifdLoss = 0.5
      score.model.referenceNLL = 1
      score.model.choices = ModelScore.Choices(
        nll: [], picked: 1, pickedByCharacters: index, pickedByBytes: 2, answer: 1)
      if index > 0 { score.model.isExactMatch = index == 2 }
      parts[index % 2].add(
        score, tokens: nil, likelihood: Likelihood(nll: 3, targetTokens: 2, correctTokens: 0))
    }
    parts[0].merge(parts[1])
    var origin = ScoreSummary.Origin(tool: "t", lengthWeight: 0)
    (origin.model, origin.reference) = ("m", "r")
    let line = try JSONValue(parsing: parts[0].line(origin))
    #expect(line["difficulty"]?["alone_nll"]?.number == 24)
    #expect(line["difficulty"]?["alignment"]?.number == 1.5)
    #expect(line["difficulty"]?["ifd_loss"]?["p50"]?.number == 0.5)
    #expect(line["reference"]?["model"]?.text == "r")
    #expect(line["reference"]?["learnability"]?.number == 1)
    #expect(line["choices"]?["acc"]?.number == 1)
    #expect(line["choices"]?["acc_norm"]?.number == 0.25)
    #expect(line["choices"]?["acc_bytes"]?.number == 0)
    #expect(line["answers"]?["records"]?.int == 3)
    #expect(line["answers"]?["exact_match"]?.number == 0.333333)
  }
}
