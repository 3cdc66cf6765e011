// SPDX-License-Identifier: Apache-2.0
import Foundation
import Records
import Scoring
import Streams
import Testing

@Suite struct ScoreSummaryTests {
  private func value(_ summary: ScoreSummary, _ origin: ScoreSummary.Origin) throws -> JSONValue {
    try JSONValue(parsing: summary.line(origin))
  }

  @Test func quantilesAreTheValuesAtTheirRanks() throws {
    var summary = ScoreSummary(context: 1000)
    // 1...100 in a scrambled order (37 has no common factor with 101).
    for index in 1...100 {
      let n = index * 37 % 101
      var score = RecordScore()
      score.tokens = n
      score.length = Double(n) / 100
      summary.add(
        score, tokens: TokenCounts(tokens: n, targetTokens: n - 1, truncatedTargetTokens: 0))
    }
    let line = try value(summary, ScoreSummary.Origin(tool: "t", lengthWeight: 0.5))
    let tokens = try #require(line["tokens_per_record"])
    #expect(tokens["mean"]?.number == 50.5)
    for (key, expected) in [
      ("min", 1), ("p5", 5), ("p25", 25), ("p50", 50), ("p75", 75), ("p95", 95), ("max", 100),
    ] {
      #expect(tokens[key]?.int == expected)
      #expect(line["length"]?[key]?.number == Double(expected) / 100)
    }
    #expect(line["tokens"]?.int == 5050)
    #expect(line["target_tokens"]?.int == 4950)
    #expect(line["lost_records"]?.int == 1)
    #expect(line["quality"] == nil && line["model"] == nil)
  }

  @Test func likelihoodIsSummedOverTargetsNotAveragedOverRecords() throws {
    var summary = ScoreSummary(context: 10)
    for (nll, targets, correct) in [(3.0, 1, 0), (5.0, 9, 6)] {
      summary.add(
        RecordScore(),
        tokens: TokenCounts(tokens: 12, targetTokens: targets, truncatedTargetTokens: 2),
        likelihood: Likelihood(nll: nll, targetTokens: targets, correctTokens: correct))
    }
    #expect(summary.meanNLL == 0.8)
    var origin = ScoreSummary.Origin(tool: "t", lengthWeight: 0.5)
    origin.model = "digest"
    let line = try value(summary, origin)
    #expect(line["nll"]?.number == 8)
    #expect(line["mean_nll"]?.number == 0.8)
    #expect(abs(try #require(line["perplexity"]?.number) - 2.225540928492468) < 1e-14)
    #expect(line["token_accuracy"]?.number == 0.6)
    #expect(line["adapter"]?.isNull == true)
    #expect(line["truncated_records"]?.int == 2)
    #expect(line["truncated_target_tokens"]?.int == 4)
  }

  @Test func shardScoresAreExactAndSumsOfParts() throws {
    var whole = ScoreSummary(context: 100)
    var parts = [ScoreSummary](repeating: ScoreSummary(context: 100), count: 3)
    var (mass, tokens, lengths) = (0, 0, 0.0)
    for index in 0..<500 {
      var score = RecordScore()
      score.words = index * 7 % 163
      score.quality = Double(index * 7919 % 1_000_001) / 1e6
      score.length = Double(index * 104_729 % 1_000_001) / 1e6
      mass += index * 7919 % 1_000_001 * min(100, index * 7 % 163)
      tokens += min(100, index * 7 % 163)
      lengths += Double(index * 104_729 % 1_000_001)
      whole.add(score, tokens: nil)
      parts[index * index % 3].add(score, tokens: nil)
    }
    var merged = parts[2]
    merged.merge(parts[0])
    merged.merge(parts[1])
    let origin = ScoreSummary.Origin(tool: "t", lengthWeight: 0.25)
    #expect(merged.line(origin) == whole.line(origin))
    let line = try value(whole, origin)
    let quality = Double(mass) / 1e6 / Double(tokens)
    let length = lengths / 500 / 1e6
    #expect(line["quality_tokens"]?.number == Double(mass) / 1e6)
    #expect(line["context_tokens"]?.int == tokens)
    let shard = try #require(line["shard"])
    #expect(abs(try #require(shard["quality"]?.number) - quality) < 1e-6)
    #expect(abs(try #require(shard["length"]?.number) - length) < 1e-6)
    let score = pow(length, 0.25) * pow(quality, 0.75)
    #expect(abs(try #require(shard["score"]?.number) - score) < 1e-6)
  }

  @Test func nothingAtAllIsASummaryToo() throws {
    let line = try value(ScoreSummary(context: 5), ScoreSummary.Origin(tool: "t", lengthWeight: 0))
    #expect(line["type"]?.text == "score_summary")
    #expect(line["records"]?.int == 0)
    #expect(line["length"] == nil)
  }
}
