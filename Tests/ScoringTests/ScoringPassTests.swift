// SPDX-License-Identifier: Apache-2.0
import Examples
import Records
import Scoring
import Streams
import Testing

/// Says of each example how long it is, and notes which examples came together.
private final class CountingProvider: LikelihoodProvider {
  private(set) var rows: [[Int]] = []

  func likelihoods(of row: [Example]) -> [Likelihood] {
    rows.append(row.map(\.tokens.count))
    return row.map {
      Likelihood(nll: Double($0.tokens.count), targetTokens: $0.targetCount, correctTokens: 1)
    }
  }
}

@Suite struct ScoringPassTests {
  private func chunk(_ lines: [String]) -> RecordChunk {
    let chunk = RecordChunk()
    for (index, line) in lines.enumerated() {
      Array(line.utf8).withUnsafeBytes {
        chunk.append($0, at: RecordLocation(file: "f", line: index + 1))
      }
    }
    return chunk
  }

  /// The lines that come out, or what is wrong with the records.
  private func texts(
    _ lines: [String], threads: Int = 1, provider: CountingProvider? = nil,
    _ change: (inout ScoringPass.Options) -> Void = { _ in }
  ) throws -> [String] {
    var options = ScoringPass.Options()
    options.threads = threads
    change(&options)
    let pass = ScoringPass(options, provider: provider)
    return try pass.score(chunk(lines)).map {
      switch $0 {
      case .scored(let record): String(decoding: record.line, as: UTF8.self)
      case .bad(let error): "\(error.place) \(error.message)"
      }
    }
  }

  @Test func outcomesKeepTheOrderForAnyNumberOfThreads() throws {
    let lines = (0..<1000).map {
      $0 % 97 == 5
        ? "{\"text\":null}"
        : "{\"text\":\"\(RandomText.words($0 % 40, from: 9, seed: UInt64($0)))\"}"
    }
    let alone = try texts(lines)
    #expect(alone.count == 1000)
    for threads in [2, 3, 8] { #expect(try texts(lines, threads: threads) == alone) }
    #expect(alone[5].contains("f:6"))
  }

  @Test func everyByteButTheScoreStays() throws {
    let before = "{ \"a\" : 1e400,\"text\":\"x\\u0041 \",  \"cl_score\" : {\"v\":1} ,\"z\":[ ]}"
    let line = try texts([before])[0]
    let prefix = "{ \"a\" : 1e400,\"text\":\"x\\u0041 \",  \"cl_score\" : "
    #expect(line.hasPrefix(prefix + "{\"v\":1,\"words\":1,"))
    #expect(line.hasSuffix("} ,\"z\":[ ]}"))
    #expect(try texts([line]) == [line])
  }

  private let tokens = [
    "{\"input_ids\":[1,2,3],\"labels\":[-100,2,3]}", "{\"input_ids\":[1,2,3,4]}",
    "{\"input_ids\":[7]}", "{\"input_ids\":[1,2,3,4,5,6,7,8,9]}", "{\"input_ids\":[1,2]}",
  ]

  @Test func likelihoodsComeInRowsAndReturnToTheirRecords() throws {
    let provider = CountingProvider()
    var encoding = ExampleEncoder.Options()
    encoding.context = 8
    let encoder = try ExampleEncoder(tokenizer: nil, options: encoding)
    let lines = try texts(tokens, provider: provider) {
      $0.encoder = encoder
      $0.rowTokens = 7
    }
    // The third record has no target; the fourth loses a token to the context and fills a row.
    #expect(provider.rows == [[3, 4], [8], [2]])
    let expected = [
      (3, 2, "3.0,\"token_accuracy\":0.5}"), (4, 3, "4.0,\"token_accuracy\":0.333333}"),
      (1, 0, "0.0}"), (9, 7, "8.0,\"token_accuracy\":0.142857}"),
      (2, 1, "2.0,\"token_accuracy\":1.0}"),
    ]
    for (line, (count, targets, end)) in zip(lines, expected) {
      #expect(line.contains("\"tokens\":\(count),\"target_tokens\":\(targets),"))
      #expect(line.hasSuffix("\"nll\":\(end)}"))
    }
  }

  @Test func idsAreEmittedInPlaceOfThoseThatWereThere() throws {
    var encoding = ExampleEncoder.Options()
    encoding.context = 3
    let encoder = try ExampleEncoder(tokenizer: nil, options: encoding)
    let lines = try texts(["{\"input_ids\":[1,2, 3,4],\"x\":0}"]) {
      $0.encoder = encoder
      $0.emitsIDs = true
      $0.scorer.signals = []
    }
    #expect(lines[0].hasPrefix("{\"input_ids\":[1,2,3],\"x\":0,\"labels\":[-100,2,3],\"cl_score\":"))
  }

  @Test func tokensNeedNoTokenizerAndTextIsStillScored() throws {
    let encoder = try ExampleEncoder(tokenizer: nil)
    let lines = try texts(["{\"input_ids\":[1,2],\"text\":\"Two words.\"}", "{\"text\":\"a\"}"]) {
      $0.encoder = encoder
    }
    #expect(lines[0].contains("\"tokens\":2,\"target_tokens\":1,\"words\":2,"))
    #expect(lines[1].contains("{\"v\":1,\"words\":1,"))
  }

  @Test func chunkIsFullAtItsLimitsAndIsUsedAgain() {
    let chunk = RecordChunk(byteLimit: 100, recordLimit: 3)
    let long = [UInt8](repeating: 0x20, count: 1 << 17)
    long.withUnsafeBytes { chunk.append($0, at: RecordLocation(file: "f", line: 1)) }
    #expect(chunk.isFull)
    chunk.removeAll()
    #expect(chunk.isEmpty && !chunk.isFull)
    for line in 1...3 {
      #expect(!chunk.isFull)
      [UInt8(0x7b), 0x7d].withUnsafeBytes {
        chunk.append($0, at: RecordLocation(file: "f", line: line))
      }
    }
    #expect(chunk.isFull)
  }
}
