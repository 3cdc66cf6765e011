// SPDX-License-Identifier: Apache-2.0
import Foundation
import Streams
import TestSupport
import Testing
import Tokenization

/// Ids computed by Hugging Face `tokenizers` 0.23.3; Tests/Fixtures/tokenizers/make_tokenizers.py
/// made them.
@Suite struct TokenizerReferenceTests {
  static let names = [
    "smollm", "gpt2", "llama3", "qwen2", "qwen35", "tekken", "gpt4o", "expressions", "llama2_legacy",
    "llama2_new", "metaspace", "words", "unigram", "unigram_bytes", "precompiled",
  ]

  private func read(_ name: String) throws -> JSONValue {
    let path = PackageLayout.fixture("tokenizers/\(name)")
    return try JSONValue(parsing: Array(Data(contentsOf: URL(fileURLWithPath: path))))
  }

  @Test(arguments: names, ["special", "plain"])
  func idsEqualTheReference(name: String, mode: String) throws {
    let tokenizer = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/\(name)"))
    let lines = try #require(try read("lines.json").elements)
    let expected = try #require(try read("\(name)/expected.json")[mode]?.elements)
    #expect(lines.count == expected.count && lines.count > 400)
    for (line, ids) in zip(lines, expected) {
      let text = try #require(line.text)
      let reference = try #require(ids.elements).compactMap { $0.int.map { Int32($0) } }
      let found = tokenizer.encode(text, parseSpecial: mode == "special")
      #expect(found == reference, "\(name), \(mode): \(text.debugDescription)")
    }
  }

  /// What SentencePiece 0.2.3 computes; it never finds control pieces in text.
  @Test(arguments: ["bpe-model", "bpe-model-symbols", "unigram-model", "unigram-model-suffix"])
  func modelFilesEqualSentencePiece(name: String) throws {
    let tokenizer = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/\(name)"))
    let lines = try #require(try read("lines.json").elements)
    let expected = try #require(try read("\(name)/expected.json")["plain"]?.elements)
    #expect(lines.count == expected.count)
    for (line, ids) in zip(lines, expected) {
      let text = try #require(line.text)
      let reference = try #require(ids.elements).compactMap { $0.int.map { Int32($0) } }
      let found = tokenizer.encode(text, parseSpecial: false)
      #expect(found == reference, "\(name): \(text.debugDescription)")
    }
    #expect(tokenizer.beginOfText == 1 && tokenizer.endOfText == 2 && tokenizer.addsBeginOfText)
    #expect(tokenizer.encode("</s>") == [2])
  }

  /// A model file cut off anywhere is refused or read, and traps nowhere.
  @Test func damagedModelFilesAreRefused() throws {
    let path = PackageLayout.fixture("tokenizers/unigram-model/tokenizer.model")
    let whole = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    let folder = try TemporaryDirectory()
    var state: UInt64 = 5
    var refused = 0
    for round in 0..<300 {
      var bytes = whole
      if round < 100 {
        bytes = Array(whole.prefix(whole.count * round / 100))
      } else {
        for _ in 0..<3 {
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 20)
        }
      }
      let file = try folder.write("damaged.model", bytes)
      do {
        _ = try Tokenizer.load(path: file).encode("the ½ miller's \u{fb01}")
      } catch {
        refused += 1
      }
    }
    #expect(refused > 100)
  }

  /// Without normalization, stripping tokens and unknown bytes, decoding gives the text back.
  @Test func decodingRestoresTheText() throws {
    let tokenizer = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/smollm"))
    for line in try #require(try read("lines.json").elements) {
      let text = try #require(line.text)
      #expect(tokenizer.decode(tokenizer.encode(text)) == Array(text.utf8))
      #expect(tokenizer.decode(tokenizer.encode(text, parseSpecial: false)) == Array(text.utf8))
    }
  }

  /// Encoding once more, now with remembered pieces, and from several threads at once.
  @Test func concurrentEncodingAgrees() async throws {
    let tokenizer = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/llama3"))
    let lines = try #require(try read("lines.json").elements).compactMap(\.text)
    let once = lines.map { tokenizer.encode($0) }
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<8 { group.addTask { lines.map { tokenizer.encode($0) } == once } }
      for await agrees in group { #expect(agrees) }
    }
  }

  @Test func theFileSaysWhatStandsAroundAText() throws {
    let llama3 = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/llama3/tokenizer.json"))
    #expect(llama3.addsBeginOfText && llama3.beginOfText == 1 && !llama3.addsEndOfText)
    let roberta = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/llama2_legacy"))
    #expect(roberta.addsBeginOfText && roberta.beginOfText == 1)
    #expect(roberta.addsEndOfText && roberta.endOfText == 2)
    let smollm = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/smollm"))
    #expect(!smollm.addsBeginOfText && smollm.beginOfText == nil && smollm.endOfText == nil)
    #expect(smollm.vocabularySize == 620)
    #expect(smollm.id(of: "<|im_end|>") == 2)
  }

  @Test func specialTokensAreLeftOutOnRequest() throws {
    let tokenizer = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/smollm"))
    let ids = tokenizer.encode("<|im_start|>Zähne<|im_end|>")
    #expect(ids.first == 1 && ids.last == 2)
    #expect(tokenizer.decodeText(ids, skipSpecial: true) == "Zähne")
    #expect(tokenizer.decodeText(ids) == "<|im_start|>Zähne<|im_end|>")
  }

  /// Equal definitions agree whatever the file is called; each part of the definition counts.
  @Test func digestNamesTheDefinition() throws {
    var digests: [String] = []
    for name in TokenizerReferenceTests.names {
      digests.append(
        try Tokenizer.load(path: PackageLayout.fixture("tokenizers/\(name)")).digest())
    }
    #expect(Set(digests).count == TokenizerReferenceTests.names.count)
    let again = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/smollm/tokenizer.json"))
    #expect(again.digest() == digests[0])
  }
}

@Suite struct TokenizerRobustnessTests {
  /// A megabyte without a place to cut must not take quadratic time, which would be hours.
  @Test(.timeLimit(.minutes(1)), arguments: ["a", " ", "\n", "!", "the", "9"])
  func longPiecesAreEncoded(unit: String) throws {
    let tokenizer = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/smollm"))
    let text = String(repeating: unit, count: 1_000_000 / unit.utf8.count)
    let ids = tokenizer.encode(text)
    #expect(ids.count > 1000)
    #expect(tokenizer.decode(ids) == Array(text.utf8))
  }

  /// Twice the text takes twice the steps, whatever it is made of; counted, not timed.
  @Test(arguments: ["smollm", "llama2_legacy", "unigram", "bpe-model"],
    ["a", "the", "\u{1f642}", " "])
  func stepsAreInProportion(name: String, unit: String) throws {
    let tokenizer = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/\(name)"))
    let steps = [20_000, 40_000].map { length in
      tokenizer.steps(encoding: String(repeating: unit, count: length / unit.utf8.count))
    }
    #expect(steps[1] <= steps[0] * 21 / 10 + 100)
    #expect(steps[1] <= 40_000 * 24)
  }

  /// The heap for long rows and the search for short ones do the same merges: a long word equals
  /// a naive merger of its own.
  @Test func longRowsMergeAsShortOnes() throws {
    let tokenizer = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/smollm"))
    let naive = try NaiveMerger(path: PackageLayout.fixture("tokenizers/smollm/tokenizer.json"))
    var state: UInt64 = 7
    for length in [2, 15, 16, 17, 63, 64, 65, 66, 100, 300] {
      for _ in 0..<20 {
        var word = ""
        for _ in 0..<length {
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          word.unicodeScalars.append(
            "etahingrswlk".unicodeScalars.map { $0 }[Int(state >> 33) % 12])
        }
        #expect(tokenizer.encode(word) == naive.encode(word), "\(word)")
      }
    }
    // Here a pair's rank changes while it waits in the heap, and another merge comes between.
    for core in ["iren", "maren", "naver"] {
      let word = String(repeating: core, count: 40)
      #expect(tokenizer.encode(word) == naive.encode(word), "\(word)")
    }
  }

  /// Bytes that are no UTF-8 never trap, and none is lost.
  @Test func brokenTextKeepsItsBytes() throws {
    var state: UInt64 = 11
    for name in ["smollm", "llama3"] {
      let tokenizer = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/\(name)"))
      for length in 0..<200 {
        var bytes: [UInt8] = []
        for _ in 0..<length {
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          bytes.append(UInt8(truncatingIfNeeded: state >> 40))
        }
        let ids = bytes.withUnsafeBytes { tokenizer.encode($0) }
        #expect(tokenizer.decode(ids) == bytes)
      }
    }
  }
}

/// Byte-pair merging as the definition says it, for ASCII words: quadratic, and obvious.
struct NaiveMerger {
  private var ids: [String: Int32] = [:]
  private var ranks: [String: Int] = [:]

  init(path: String) throws {
    let file = try JSONValue(parsing: Array(Data(contentsOf: URL(fileURLWithPath: path))))
    for (token, id) in file["model"]?["vocab"]?.object?.members ?? [] {
      ids[token] = id.int.map { Int32($0) }
    }
    for (rank, merge) in (file["model"]?["merges"]?.elements ?? []).enumerated() {
      ranks[merge.text ?? ""] = rank
    }
  }

  func encode(_ word: String) -> [Int32] {
    var parts = word.map { String($0) }
    while parts.count > 1 {
      let candidates = (0..<parts.count - 1).compactMap { index in
        ranks["\(parts[index]) \(parts[index + 1])"].map { (rank: $0, index: index) }
      }
      guard let best = candidates.min(by: { ($0.rank, $0.index) < ($1.rank, $1.index) }) else {
        break
      }
      parts[best.index] += parts.remove(at: best.index + 1)
    }
    return parts.compactMap { ids[$0] }
  }
}
