// SPDX-License-Identifier: Apache-2.0
import Foundation
import Scoring
import Testing

@Suite struct DuplicatesTests {
  /// Words that hardly ever repeat, and a text with a share of them changed.
  private static func text(seed: UInt64, words: Int, changed: Double = 0) -> String {
    var (state, noise) = (seed &* 77 &+ 5, seed &* 91 &+ 3)
    return (0..<words).map { _ in
      let word = GrammarText.next(&state) % 50_000
      let isChanged = Double(GrammarText.next(&noise) % 10_000) < changed * 10_000
      return isChanged ? "x\(GrammarText.next(&noise) % 50_000)" : "w\(word)"
    }.joined(separator: " ")
  }

  private static func shingles(_ text: String) -> Set<String> {
    let words = text.split(separator: " ").map(String.init)
    let length = min(5, words.count)
    return Set((0...words.count - length).map { words[$0..<$0 + length].joined(separator: " ") })
  }

  private static func jaccard(_ a: String, _ b: String) -> Double {
    let (a, b) = (shingles(a), shingles(b))
    return Double(a.intersection(b).count) / Double(a.union(b).count)
  }

  private static func signature(_ text: String, _ minHash: MinHash) -> [UInt32]? {
    var analysis = TextAnalysis()
    analysis.analyse(text)
    return minHash.signature(of: analysis)
  }

  private static func clusters(
    _ texts: [String?], _ kind: DuplicateKind, threshold: Double = 0.7
  ) throws -> DuplicateClusters {
    let finder = try DuplicateFinder(kind, threshold: threshold)
    for text in texts {
      try finder.add(
        hash: text.map(TextHash.of), signature: text.flatMap { signature($0, finder.minHash) })
    }
    return try finder.finish()
  }

  /// The estimate of n hashes has the variance J(1 - J)/n: within five standard deviations.
  @Test(arguments: [0.0, 0.01, 0.03, 0.08, 0.2])
  func similarityEstimatesTheExactOne(changed: Double) throws {
    let minHash = MinHash()
    for seed in UInt64(1)...20 {
      let (a, b) = (
        Self.text(seed: seed, words: 300), Self.text(seed: seed, words: 300, changed: changed)
      )
      let exact = Self.jaccard(a, b)
      let estimate = MinHash.similarity(
        try #require(Self.signature(a, minHash)), try #require(Self.signature(b, minHash)))
      let deviation = (exact * (1 - exact) / Double(minHash.count)).squareRoot()
      #expect(abs(estimate - exact) <= 5 * deviation + 1e-12)
    }
  }

  @Test func plantedNearDuplicatesAreFoundAndNothingElse() throws {
    var texts: [String?] = (0..<300).map { Self.text(seed: UInt64($0), words: 120 + $0 % 90) }
    // Every third text again, with few or many words changed.
    var planted: [(copy: Int, of: Int, similarity: Double)] = []
    for index in stride(from: 0, to: 300, by: 3) {
      let changed = [0.0, 0.005, 0.01, 0.3][index / 3 % 4]
      let copy = Self.text(seed: UInt64(index), words: 120 + index % 90, changed: changed)
      planted.append(
        (texts.count, index, Self.jaccard(try #require(texts[index]), copy)))
      texts.append(copy)
    }
    let clusters = try Self.clusters(texts, .near)
    var (found, similar) = (0, 0)
    for (copy, original, similarity) in planted {
      let name = try #require(clusters.cluster(of: copy))
      if similarity > 0.85 {
        similar += 1
        found += name.duplicateOf == original + 1 ? 1 : 0
      }
      if similarity < 0.5 { #expect(name.duplicateOf == nil) }
    }
    // 1 - (1 - .85^8)^14 = .99 of pairs at .85 share a band; an estimate may still fall short.
    #expect(similar > 40 && found * 100 >= similar * 95)
    for index in 0..<300 { #expect(try #require(clusters.cluster(of: index)).duplicateOf == nil) }
  }

  @Test func clustersDoNotDependOnTheOrder() throws {
    let texts = (0..<60).map { Self.text(seed: UInt64($0 % 25), words: 80, changed: 0.002 * Double($0 / 25)) }
    let forwards = try Self.clusters(texts, .near)
    let backwards = try Self.clusters(texts.reversed(), .near)
    for index in texts.indices {
      #expect(
        try #require(forwards.cluster(of: index)).name
          == #require(backwards.cluster(of: texts.count - 1 - index)).name)
    }
  }

  @Test func exactDuplicatesAreEqualTextsOnly() throws {
    let clusters = try Self.clusters(["a b", "a  b", nil, "a b", "", nil, ""], .exact)
    #expect(try #require(clusters.cluster(of: 3)).duplicateOf == 1)
    #expect(try #require(clusters.cluster(of: 1)).duplicateOf == nil)
    #expect(try #require(clusters.cluster(of: 6)).duplicateOf == 5)
    #expect(clusters.cluster(of: 2) == nil && clusters.cluster(of: 7) == nil)
    #expect(clusters.duplicates == 2)
    #expect(try #require(clusters.cluster(of: 0)).name.count == 16)
  }

  @Test func nothingIsNobodysDuplicate() throws {
    #expect(try Self.clusters([], .near).duplicates == 0)
  }
}
