// SPDX-License-Identifier: Apache-2.0
import Scoring
import Testing

@Suite struct SignalLaws {
  /// Texts at the edges of what can come: none, little, much, and nothing but one kind of thing.
  static let edges: [(name: String, text: String)] = [
    ("empty", ""),
    ("blank", " \n\t\n "),
    ("one letter", "a"),
    ("one word", "word"),
    ("one mark", "."),
    ("symbols", "### ... … ### !!! ((("),
    ("one long word", String(repeating: "x", count: 1 << 17)),
    ("one word many times", String(repeating: "word ", count: 20_000)),
    ("many short lines", String(repeating: "a\n", count: 5_000)),
    ("no repetition", (0..<10_000).map { "w\($0)" }.joined(separator: " ")),
    ("CJK", String(repeating: "你好。世界！", count: 5_000)),
    ("beyond the first plane", String(repeating: "🙂𝔘 ", count: 5_000)),
    ("combining", String(repeating: "a\u{301}\u{302} ", count: 5_000)),
  ]

  @Test(arguments: edges.map(\.name))
  func valueLiesInRangeAndQualityBetweenFloorAndOne(edge: String) throws {
    let text = try #require(Self.edges.first { $0.name == edge }).text
    var analysis = TextAnalysis()
    analysis.analyse(text)
    for signal in SignalCatalog.all {
      guard let value = signal.value(of: analysis) else { continue }
      #expect(signal.range.contains(value), "\(signal.name)")
      let quality = signal.quality(of: value)
      #expect((quality != nil) == signal.families.contains(.quality), "\(signal.name)")
      if let quality { #expect((Ramp.floor...1).contains(quality), "\(signal.name)") }
    }
  }

  @Test func valueDoesNotDependOnWhatWasMeasuredBefore() {
    let text = RandomText.words(400, from: 60, seed: 5)
    var fresh = TextAnalysis()
    fresh.analyse(text)
    let expected = SignalCatalog.all.map { $0.value(of: fresh) }
    var used = TextAnalysis()
    for (_, edge) in Self.edges where edge.utf8.count < 10_000 {
      used.analyse(edge)
      _ = SignalCatalog.all.map { $0.value(of: used) }
    }
    used.analyse(text)
    // Backwards, so that each comes after others than before.
    for index in SignalCatalog.all.indices.reversed() {
      #expect(SignalCatalog.all[index].value(of: used) == expected[index])
    }
  }

  @Test func namesAreUniqueAndCarryVersions() {
    let names = SignalCatalog.all.map(\.name)
    #expect(Set(names).count == names.count)
    for signal in SignalCatalog.all { #expect(signal.id == "\(signal.name)/\(signal.version)") }
  }

  @Test func signalsAreSelectedByNameInCatalogOrder() throws {
    #expect(try SignalCatalog.select("none").isEmpty)
    #expect(try SignalCatalog.select("all").count == SignalCatalog.all.count)
    #expect(
      try SignalCatalog.select("mtld,stop_words/1").map(\.name) == ["stop_words", "mtld"])
    #expect(throws: ScoringError.unknownSignal(name: "stopwords")) {
      try SignalCatalog.select("stopwords")
    }
    #expect(throws: ScoringError.unknownSignal(name: "")) { try SignalCatalog.select("") }
  }
}

/// Texts that repeat themselves, drawn with a small generator so that no run differs.
enum RandomText {
  static func words(_ count: Int, from vocabulary: Int, seed: UInt64) -> String {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return "word\((state >> 33) % UInt64(vocabulary))"
    }.joined(separator: " ")
  }
}
