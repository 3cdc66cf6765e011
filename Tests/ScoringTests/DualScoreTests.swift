// SPDX-License-Identifier: Apache-2.0
import Foundation
import Records
import Scoring
import Testing

@Suite struct DualScoreTests {
  /// ln, exp and pow of the system and of ours are the same functions; what remains is rounding.
  private let tolerance = 1e-15

  @Test func lengthIsOneAtTheWindowAndFallsOnBothSides() {
    #expect(DualScore.length(0, context: 100) == 0)
    #expect(DualScore.length(100, context: 100) == 1)
    var last = 0.0
    for n in 1...100 {
      let value = DualScore.length(n, context: 100)
      #expect(value > last)
      #expect(abs(value - Foundation.log(Double(n + 1)) / Foundation.log(101)) < tolerance)
      last = value
    }
    for n in 101...400 {
      let value = DualScore.length(n, context: 100)
      #expect(value < last)
      #expect(abs(value - 100 / Double(n)) < tolerance)
      last = value
    }
  }

  @Test func lengthOfHugeCountsIsDefined() {
    #expect(DualScore.length(Int.max, context: 1) > 0)
    #expect(DualScore.length(1, context: Int.max) > 0)
    #expect(DualScore.length(Int.max, context: Int.max) == 1)
  }

  @Test func qualityIsTheGeometricMean() throws {
    #expect(DualScore.quality(of: []) == nil)
    #expect(abs(try #require(DualScore.quality(of: [0.25, 1])) - 0.5) < tolerance)
    #expect(abs(try #require(DualScore.quality(of: [0.02, 1, 1])) - Foundation.cbrt(0.02)) < tolerance)
  }

  @Test func dualScoreHasTheExponentsAsElasticities() {
    for a in [0, 0.25, 0.5, 1] {
      let value = DualScore.score(length: 0.3, quality: 0.7, lengthWeight: a)
      #expect(abs(value - Foundation.pow(0.3, a) * Foundation.pow(0.7, 1 - a)) < tolerance)
    }
    #expect(DualScore.score(length: 0, quality: 1, lengthWeight: 0.5) == 0)
    #expect(DualScore.score(length: 1, quality: 0, lengthWeight: 0.5) == 0)
  }

  @Test func tokensReplaceWordsInTheLength() {
    var scorer = RecordScorer(RecordScorer.Options())
    let plain = scorer.score("three little words", tokens: nil)
    #expect(plain.length == DualScore.rounded(DualScore.length(3, context: 2048)))
    let counted = scorer.score(
      "three little words",
      tokens: TokenCounts(tokens: 9, targetTokens: 5, truncatedTargetTokens: 0))
    #expect(counted.length == DualScore.rounded(DualScore.length(9, context: 2048)))
    #expect(counted.tokens == 9 && counted.targetTokens == 5 && counted.words == 3)
    #expect(counted.quality == plain.quality)
  }

  @Test func recordsWithoutTextHaveALengthAndNoQuality() {
    var scorer = RecordScorer(RecordScorer.Options())
    let score = scorer.score(
      nil, tokens: TokenCounts(tokens: 4, targetTokens: 3, truncatedTargetTokens: 0))
    #expect(score.length != nil)
    #expect(score.quality == nil && score.score == nil && score.words == nil)
  }

  @Test func textWithoutWordsHasQualityZero() {
    var scorer = RecordScorer(RecordScorer.Options())
    let score = scorer.score(" \n ", tokens: nil)
    #expect(score.quality == 0 && score.length == 0 && score.score == 0)
  }

  @Test func withoutSignalsThereIsNoQuality() {
    var options = RecordScorer.Options()
    options.signals = []
    var scorer = RecordScorer(options)
    let score = scorer.score("some text", tokens: nil)
    #expect(score.quality == nil && score.score == nil && score.words == 2)
  }

  @Test func scoredTextIsWhatTheModelIsToSay() {
    #expect(RecordContent.text("t").scoredText == "t")
    #expect(RecordContent.promptCompletion(prompt: "p", completion: "c").scoredText == "c")
    #expect(RecordContent.tokens(inputIDs: [1], labels: nil).scoredText == nil)
    let turns = [
      Message(role: .system, content: "s"), Message(role: .user, content: "u"),
      Message(role: .assistant, content: "one"), Message(role: .user, content: "u"),
      Message(role: .assistant, content: "two"),
    ]
    #expect(RecordContent.conversation(turns).scoredText == "one\n\ntwo")
  }
}
