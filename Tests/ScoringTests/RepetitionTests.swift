// SPDX-License-Identifier: Apache-2.0
import Scoring
import Testing

/// The two signals that need more than counting, against their definitions written out plainly.
@Suite struct RepetitionTests {
  private func value(_ name: String, _ text: String) throws -> Double? {
    let signal = try #require(SignalCatalog.all.first { $0.name == name })
    var analysis = TextAnalysis()
    analysis.analyse(text)
    return signal.value(of: analysis)
  }

  private func plainRepetition(_ words: [String]) -> Double {
    let limits = [0.20, 0.18, 0.16, 0.15, 0.14, 0.13, 0.12, 0.11, 0.10]
    let total = words.reduce(0) { $0 + $1.count }
    var worst = 0.0
    for (index, limit) in limits.enumerated() {
      let n = index + 2
      if words.count < n { break }
      let grams = (0...words.count - n).map { words[$0..<$0 + n].joined(separator: " ") }
      var scalars = 0
      if n <= 4 {
        var counts: [String: Int] = [:]
        for gram in grams { counts[gram, default: 0] += 1 }
        for (gram, count) in counts where count > 1 {
          scalars = max(scalars, count * (gram.count - (n - 1)))
        }
      } else {
        var seen: Set<String> = []
        var covered: Set<Int> = []
        for (start, gram) in grams.enumerated() where !seen.insert(gram).inserted {
          covered.formUnion(start..<start + n)
        }
        scalars = covered.reduce(0) { $0 + words[$1].count }
      }
      worst = max(worst, min(1, Double(scalars) / Double(total)) / limit)
    }
    return worst
  }

  private func plainDiversity(_ words: [String]) -> Double {
    func oneWay(_ words: [String]) -> Double {
      var factors = 0.0
      var stretch: [String] = []
      for word in words {
        stretch.append(word)
        if Set(stretch).count * 100 < 72 * stretch.count {
          factors += 1
          stretch = []
        }
      }
      if !stretch.isEmpty {
        factors += (1 - Double(Set(stretch).count) / Double(stretch.count)) / (1 - 0.72)
      }
      return factors > 0 ? Double(words.count) / factors : Double(words.count)
    }
    return (oneWay(words) + oneWay(words.reversed())) / 2
  }

  @Test(arguments: [(1, 3), (2, 1), (7, 2), (30, 4), (60, 12), (200, 8), (500, 60), (900, 5000)])
  func signalsFollowTheirDefinitions(count: Int, vocabulary: Int) throws {
    for seed in UInt64(1)...20 {
      let text = RandomText.words(count, from: vocabulary, seed: seed)
      let words = text.split(separator: " ").map(String.init)
      #expect(try value("repeated_ngrams", text) == plainRepetition(words))
      let diversity = try value("mtld", text)
      if count < 50 {
        #expect(diversity == nil)
      } else {
        #expect(abs(try #require(diversity) - plainDiversity(words)) < 1e-9)
      }
    }
  }

  @Test func repetitionSeesWordsAsNormalised() throws {
    let sentence = "The quick brown fox jumps over the lazy dog tonight"
    let text = "\(sentence). \"\(sentence.uppercased())!\""
    // The second half repeats the first: half of the scalars lie in repeated 10-grams.
    #expect(try value("repeated_ngrams", text) == 0.5 / 0.10)
  }

  @Test func wordsThatOccurOnceAreNoRepetition() throws {
    #expect(try value("repeated_ngrams", "only two") == 0)
  }
}
