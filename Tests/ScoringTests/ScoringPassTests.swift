// SPDX-License-Identifier: Apache-2.0
import Records
import Scoring
import Streams
import Testing

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

  private func pass(threads: Int) -> ScoringPass {
    ScoringPass(layout: RecordLayout(), options: RecordScorer.Options(), threads: threads)
  }

  private func text(_ outcome: ScoringOutcome) -> String {
    switch outcome {
    case .scored(_, let line): String(decoding: line, as: UTF8.self)
    case .bad(let error): "\(error.place) \(error.message)"
    }
  }

  @Test func outcomesKeepTheOrderForAnyNumberOfThreads() {
    let lines = (0..<1000).map {
      $0 % 97 == 5
        ? "{\"text\":null}" : "{\"text\":\"\(RandomText.words($0 % 40, from: 9, seed: UInt64($0)))\"}"
    }
    let chunk = chunk(lines)
    let alone = pass(threads: 1).score(chunk).map(text)
    #expect(alone.count == 1000)
    for threads in [2, 3, 8] { #expect(pass(threads: threads).score(chunk).map(text) == alone) }
    #expect(alone[5].contains("f:6"))
  }

  @Test func everyByteButTheScoreStays() throws {
    let before = "{ \"a\" : 1e400,\"text\":\"x\\u0041 \",  \"cl_score\" : {\"v\":1} ,\"z\":[ ]}"
    let line = text(pass(threads: 1).score(chunk([before]))[0])
    let prefix = "{ \"a\" : 1e400,\"text\":\"x\\u0041 \",  \"cl_score\" : "
    #expect(line.hasPrefix(prefix + "{\"v\":1,\"words\":1,"))
    #expect(line.hasSuffix("} ,\"z\":[ ]}"))
    let again = text(pass(threads: 1).score(chunk([line]))[0])
    #expect(again == line)
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
