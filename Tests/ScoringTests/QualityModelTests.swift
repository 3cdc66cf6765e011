// SPDX-License-Identifier: Apache-2.0
import Foundation
import Records
import Scoring
import Streams
import Testing

/// English-looking texts of a small grammar, and what can be wrong with them.
enum GrammarText {
  static func pick(_ words: [String], _ state: inout UInt64) -> String {
    words[Int(next(&state) % UInt64(words.count))]
  }

  static func next(_ state: inout UInt64) -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
  }

  private static func noun(_ state: inout UInt64) -> String {
    let stems = ["process", "file", "record", "signal", "buffer", "thread", "reader", "server"]
    let adjectives = ["small", "remote", "closed", "empty", "second", "hidden", "slow", "local"]
    let article = pick(["the", "a", "every", "this"], &state)
    return next(&state) % 2 == 0
      ? "\(article) \(pick(stems, &state))" : "\(article) \(pick(adjectives, &state)) \(pick(stems, &state))"
  }

  private static func sentence(_ state: inout UInt64) -> String {
    let verbs = ["reads", "writes", "closes", "sends", "keeps", "copies", "waits for", "returns"]
    var text = "\(noun(&state)) \(pick(verbs, &state)) \(noun(&state))"
    if next(&state) % 2 == 0 {
      text += " \(pick(["when", "because", "until", "before"], &state)) \(noun(&state)) is "
        + pick(["ready", "full", "lost", "open", "done"], &state)
    }
    return text.prefix(1).uppercased() + text.dropFirst() + "."
  }

  static func clean(seed: UInt64) -> String {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1
    let count = 2 + Int(next(&state) % 4)
    return (0..<count).map { _ in sentence(&state) }.joined(separator: " ")
  }

  static func shuffled(seed: UInt64) -> String {
    var state = seed
    var words = clean(seed: seed).split(separator: " ").map(String.init)
    for index in stride(from: words.count - 1, to: 0, by: -1) {
      words.swapAt(index, Int(next(&state) % UInt64(index + 1)))
    }
    return words.joined(separator: " ")
  }

  static func noisy(seed: UInt64) -> String {
    var state = seed
    return String(
      clean(seed: seed).map { character in
        character == " " || next(&state) % 100 >= 15
          ? character
          : Character(Unicode.Scalar(UInt8(97 + next(&state) % 26)))
      })
  }
}

@Suite struct QualityModelTests {
  private static func learn(_ texts: [String], threads: Int = 1) throws -> QualityModel {
    let learner = QualityLearner()
    for text in texts { learner.add(text, hash: TextHash.of(text)) }
    return try learner.learn(RecordScorer.Options(), threads: threads)
  }

  private static let texts = (0..<160).map { GrammarText.clean(seed: $0) }
  private static let model = Result { try learn(texts) }

  private static func quality(_ text: String, _ model: QualityModel) throws -> Double {
    var options = RecordScorer.Options()
    options.qualityModel = model
    var scorer = RecordScorer(options)
    return try #require(scorer.score(text, tokens: nil).quality)
  }

  /// The chance that a clean text has the better quality.
  private static func area(_ clean: [Double], _ bad: [Double]) -> Double {
    var wins = 0.0
    for a in clean { for b in bad { wins += a > b ? 1 : a == b ? 0.5 : 0 } }
    return wins / Double(clean.count * bad.count)
  }

  @Test func defectsThatNoSignalSeesAreFound() throws {
    let shuffled = (0..<20).map { GrammarText.shuffled(seed: 1000 + $0) }
    let noisy = (0..<20).map { GrammarText.noisy(seed: 2000 + $0) }
    let model = try Self.learn(Self.texts + shuffled + noisy)
    let clean = try Self.texts.prefix(60).map { try Self.quality($0, model) }
    let ofShuffled = try shuffled.map { try Self.quality($0, model) }
    let ofNoisy = try noisy.map { try Self.quality($0, model) }
    #expect(Self.area(clean, ofShuffled) > 0.95)
    #expect(Self.area(clean, ofNoisy) > 0.95)
  }

  /// Witten and Bell's probabilities, written out over dictionaries, of what the other half has counted.
  @Test func likelihoodIsThatOfTheDefinition() throws {
    let model = try Self.model.get()
    func symbols(_ text: String) -> [Character] { Array("\u{2}\u{2}\u{2}\u{2}" + text.lowercased()) }
    for text in [Self.texts[3], "Zebras never wait?"] {
      let fold = TextHash.of(text) & 1
      var counts: [String: Int] = [:]
      var followers: [String: [Character: Int]] = [:]
      for other in Set(Self.texts) where TextHash.of(other) & 1 != fold {
        let line = symbols(other)
        for index in 4..<line.count {
          for n in 1...5 {
            counts[String(line[index - n + 1...index]), default: 0] += 1
            followers[String(line[index - n + 1..<index]), default: [:]][line[index], default: 0] += 1
          }
        }
      }
      let line = symbols(text)
      var sum = 0.0
      for index in 4..<line.count {
        var p = 1.0 / 512
        for n in 1...5 {
          guard let seen = followers[String(line[index - n + 1..<index])] else { break }
          let total = Double(seen.values.reduce(0, +))
          p = (Double(seen[line[index]] ?? 0) + Double(seen.count) * p) / (total + Double(seen.count))
        }
        sum -= Foundation.log(p)
      }
      let found = try #require(model.likelihood(of: text).nll)
      // Each symbol's value and costs are rounded to 1/2048 nat.
      #expect(abs(found - sum / Double(line.count - 4)) < 3.0 / 2048, "\(text)")
    }
  }

  @Test func modelDoesNotDependOnOrderNorThreads() throws {
    let one = try Self.bytes(Self.model.get())
    let again = Self.texts.reversed() + Self.texts
    #expect(try Self.bytes(Self.learn(again, threads: 4)) == one)
  }

  @Test func sampleIsBoundedAndStillIndependentOfOrder() throws {
    func learn(_ texts: [String]) throws -> [UInt8] {
      let learner = QualityLearner(sampleBytes: 24_000)
      for text in texts { learner.add(text, hash: TextHash.of(text)) }
      return try Self.bytes(learner.learn(RecordScorer.Options(), threads: 1))
    }
    let one = try learn(Self.texts)
    #expect(try learn(Self.texts.reversed()) == one)
    #expect(try one.count < Self.bytes(Self.model.get()).count)
  }

  private static func bytes(_ model: QualityModel) throws -> [UInt8] {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(
      "quality-\(UUID().uuidString)"
    ).path
    defer { unlink(path) }
    let sink = try OutputSink(path: path)
    try model.write(to: sink)
    try sink.close()
    return try InputSource(path: path).readAll()
  }

  @Test func fileReadsBackAndDamageIsFound() throws {
    let model = try Self.model.get()
    let bytes = try Self.bytes(model)
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(
      "quality-\(UUID().uuidString)"
    ).path
    defer { unlink(path) }
    func read(_ bytes: [UInt8]) throws -> QualityModel {
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      return try QualityModel(path: path)
    }
    let again = try read(bytes)
    #expect(try Self.bytes(again) == bytes)
    for text in Self.texts.prefix(20) {
      #expect(try Self.quality(text, again) == Self.quality(text, model))
    }
    #expect(throws: ScoringError.self) { try read(Array(bytes.dropLast())) }
    #expect(throws: ScoringError.self) { try read(Array(bytes.dropFirst())) }
    #expect(throws: ScoringError.self) { try read([]) }
    // A table without an empty slot would be searched for ever.
    let header = try #require(bytes.firstIndex(of: 0x0a))
    var full = bytes
    for index in header + 1..<full.count { full[index] = 0xff }
    #expect(throws: ScoringError.self) { try read(full) }
    for wrong in ["\"v\":1", "\"texts\"", "\"bands\"", "\"tables\"", "\"nll\""] {
      let text = String(decoding: bytes[..<header], as: UTF8.self)
      let changed = text.replacingOccurrences(of: wrong, with: "\"x\":7")
      #expect(throws: ScoringError.self) { try read(Array(changed.utf8) + bytes[header...]) }
    }
  }

  @Test func fewTextsAreRefused() {
    #expect(throws: ScoringError.tooFewTexts(found: 99)) {
      try Self.learn(Array(Self.texts.prefix(99)))
    }
  }

  @Test func otherSignalsThanTheModelsAreRefused() throws {
    let model = try Self.model.get()
    try model.check(signals: RecordScorer.Options().signals, path: "m")
    #expect(throws: ScoringError.self) {
      try model.check(signals: SignalCatalog.select("mtld"), path: "m")
    }
  }
}
