// SPDX-License-Identifier: Apache-2.0
import Records
import Scoring
import Streams
import TestSupport
import Testing

/// The vectors and samples of the documentation, read from its pages, so that neither can drift.
@Suite struct PublishedVectorsTests {
  /// The lines of the blocks of a page that are fenced as `language`.
  private static func blocks(_ page: String, _ language: String) -> [String] {
    let path = "\(PackageLayout.root)/Documentation/\(page)"
    guard let bytes = try? InputSource(path: path).readAll() else { return [] }
    var lines: [String] = []
    var isInside = false
    let text = String(decoding: bytes, as: UTF8.self)
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if isInside && line == "```" {
        isInside = false
      } else if isInside {
        lines.append(String(line))
      } else {
        isInside = line == "```\(language)"
      }
    }
    return lines
  }

  static let vectors = blocks("scores.md", "jsonl")

  /// Values are written with six decimals.
  private let tolerance = 1.000001e-6

  @Test func pageHasVectors() { #expect(Self.vectors.count >= 10) }

  @Test(arguments: vectors)
  func vectorHolds(line: String) throws {
    let vector = try JSONValue(parsing: Array(line.utf8))
    var options = RecordScorer.Options()
    options.context = try #require(vector["context"]?.int)
    options.lengthWeight = try #require(vector["length_weight"]?.number)
    var scorer = RecordScorer(options)
    let score = scorer.score(try #require(vector["text"]?.text), tokens: nil)
    #expect(score.words == vector["words"]?.int)
    #expect(score.characters == vector["characters"]?.int)
    #expect(score.sentences == vector["sentences"]?.int)
    for (name, value) in [
      ("length", score.length), ("quality", score.quality), ("score", score.score),
    ] {
      let expected = try #require(vector[name]?.number)
      #expect(abs(try #require(value) - expected) < tolerance, "\(name)")
    }
    let signals = try #require(vector["signals"]?.object)
    for (name, value) in score.signals {
      if let expected = signals[name]?.number {
        #expect(abs(try #require(value) - expected) < tolerance, "\(name)")
      } else {
        #expect(value == nil, "\(name)")
      }
    }
    #expect(Set(signals.keys).isSubset(of: SignalCatalog.all.map(\.name)))
  }

  static let records = blocks("formats/records.md", "jsonl")

  @Test(arguments: records)
  func sampleRecordIsRead(line: String) throws {
    try Array(line.utf8).withUnsafeBytes { bytes in
      let fields = try RecordFields(bytes, at: RecordLocation(file: "records.md", line: 1))
      _ = try RecordLayout().content(of: fields)
      guard let score = try RecordScore(of: fields) else { return }
      var writer = JSONWriter()
      score.write(to: &writer)
      #expect(fields.setting(RecordScore.key, to: writer.bytes) == Array(bytes))
    }
  }

  @Test func sampleSummaryHasTheFieldsThatAreWritten() throws {
    let sample = try #require(Self.blocks("formats/records.md", "json").first)
    let expected = try JSONValue(parsing: Array(sample.utf8))
    var summary = ScoreSummary(context: 2048)
    var score = RecordScore()
    (score.length, score.quality, score.score) = (0.5, 0.5, 0.5)
    summary.add(
      score, tokens: TokenCounts(tokens: 2, targetTokens: 1, truncatedTargetTokens: 0),
      likelihood: Likelihood(nll: 1, targetTokens: 1, correctTokens: 0))
    var origin = ScoreSummary.Origin(tool: "t", lengthWeight: 0.5)
    origin.model = "m"
    let written = try JSONValue(parsing: summary.line(origin))
    #expect(expected.object?.keys == written.object?.keys)
    #expect(expected["length"]?.object?.keys == written["length"]?.object?.keys)
  }
}
