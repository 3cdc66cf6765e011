// SPDX-License-Identifier: Apache-2.0
import Records
import Scoring
import Testing

/// Signals against values that Tests/Interop/signal_vectors.py computes by formulas of its own.
@Suite struct SignalVectorsTests {
  static let text = """
    The cat sat on the mat. The cat sat on the mat, and the DOG (a big one) ran after 42 birds...

    - See https://example.org/a for more #cats
    - Nothing here but a list
    The cat sat on the mat. The cat sat on the mat, and the DOG (a big one) ran after 42 birds...

    - See https://example.org/a for more #cats
    People who live in little houses take care of their animals, have no trouble with them, and write about that in letters.

    """

  /// Rounded to six decimals.
  private let tolerance = 0.500001e-6

  static let vectors: [(name: String, value: Double)] = [
    ("ttr", 0.530864),
    ("mattr", 0.6075),
    ("hdd", 0.679535),
    ("distinct_2", 0.6125),
    ("distinct_3", 0.632911),
    ("unigram_entropy", 3.532473),
    ("word_repetition", 0.506667),
    ("character_repetition", 0.140097),
    ("duplicate_lines", 0.333333),
    ("duplicate_line_characters", 0.325301),
    ("duplicate_paragraphs", 0.0),
    ("duplicate_paragraph_characters", 0.0),
    ("top_2_gram", 0.150943),
    ("top_3_gram", 0.176101),
    ("top_4_gram", 0.201258),
    ("duplicate_5_grams", 0.371069),
    ("duplicate_6_grams", 0.371069),
    ("duplicate_7_grams", 0.31761),
    ("duplicate_8_grams", 0.31761),
    ("duplicate_9_grams", 0.31761),
    ("duplicate_10_grams", 0.31761),
    ("syllables_per_word", 1.240506),
    ("alphanumeric_characters", 0.72104),
    ("digits_characters", 0.009456),
    ("uppercase_characters", 0.033097),
    ("whitespace_characters", 0.20331),
    ("special_characters", 0.07565),
    ("parentheses_characters", 0.009456),
    ("compression", 0.617021),
    ("mean_line_length", 69.166667),
    ("longest_line", 120),
    ("longest_word", 21),
    ("capital_words", 0.02381),
    ("link_characters", 0.099291),
    ("bullet_lines", 0.5),
    ("ellipsis_lines", 0.333333),
    ("line_breaks_per_word", 0.095238),
    ("hashes_per_word", 0.02381),
    ("ellipses_per_word", 0.02381),
    ("common_words", 6),
    ("curly_brackets", 0),
    ("lorem_ipsum", 0),
    ("c4_lines", 0.166667),
  ]

  private func value(_ name: String, _ text: String) throws -> Double? {
    let signal = try #require(SignalCatalog.all.first { $0.name == name })
    var analysis = TextAnalysis()
    analysis.analyse(text)
    return signal.value(of: analysis)
  }

  @Test(arguments: vectors)
  func valueIsTheReferences(vector: (name: String, value: Double)) throws {
    let value = try #require(try value(vector.name, Self.text))
    #expect(abs(value - vector.value) < tolerance, "\(vector.name)")
  }

  @Test func readingFormulasAreThoseOfTheirAuthors() throws {
    // 98 syllables in 79 words with a letter, in 7 sentences.
    let ease = try #require(try value("flesch_ease", Self.text))
    let sentences = 79 / (try #require(try value("words_per_sentence", Self.text)))
    #expect(abs(ease - (206.835 - 1.015 * 79 / sentences - 84.6 * 98 / 79)) < 1e-9)
    let grade = try #require(try value("flesch_kincaid_grade", Self.text))
    #expect(abs(grade - (0.39 * 79 / sentences + 11.8 * 98 / 79 - 15.59)) < 1e-9)
  }

  @Test func rulesAnswerYesAndNo() throws {
    let good = (0..<8).map {
      "Sentence number \($0) of this text tells the reader that things which have a name are kept with it."
    }.joined(separator: "\n")
    #expect(try value("c4", good) == 1)
    #expect(try value("c4", good + "\n{") == 0)
    #expect(try value("c4", good + " Lorem IPSUM dolor.") == 0)
    #expect(try value("gopher_quality", good) == 1)
    #expect(try value("gopher_quality", "Too short to be with the others.") == 0)
    #expect(try value("gopher_repetition", good) == 0)
    #expect(try value("gopher_repetition", "Nothing in this line is said twice.") == 1)
    #expect(try value("fineweb", good) == 1)
    #expect(try value("fineweb", good + "\n" + good) == 0)
    #expect(try value("fineweb", "") == 0)
  }

  @Test(arguments: [
    ("a", 1), ("the", 1), ("make", 1), ("table", 2), ("reading", 2), ("idea", 2), ("syllable", 3),
    ("queue", 1), ("whale", 1), ("created,", 2), ("xyz", 1), ("bcd", 1),
  ])
  func syllablesAreGroupsOfVowels(word: String, count: Double) throws {
    #expect(try value("syllables_per_word", word) == count)
  }

  @Test func paragraphsAreFoundAgain() throws {
    let text = "One line here.\nAnd another.\n\nOne line here.\nAnd another.\n\nThe end."
    #expect(try value("duplicate_paragraphs", text) == 1.0 / 3)
    #expect(try value("duplicate_paragraph_characters", text) == 26.0 / 60)
    #expect(try value("duplicate_lines", text) == 0.4)
  }

  @Test func signalsAreSelectedByFamily() throws {
    let gopher = try SignalCatalog.select("gopher").map(\.name)
    #expect(gopher.contains("gopher_quality") && gopher.contains("duplicate_10_grams"))
    #expect(!gopher.contains("mtld"))
    #expect(try SignalCatalog.select("quality").map(\.name) == SignalCatalog.quality.map(\.name))
    #expect(
      try SignalCatalog.select("readability,mtld").map(\.name) == [
        "mtld", "flesch_ease", "flesch_kincaid_grade", "words_per_sentence", "syllables_per_word",
      ])
    for family in SignalFamily.allCases {
      #expect(try !SignalCatalog.select(family.rawValue).isEmpty)
    }
  }

  @Test func signalsWithoutAWordOnQualityMakeNone() throws {
    var options = RecordScorer.Options()
    options.signals = try SignalCatalog.select("lexical")
    options.signals.removeAll { $0.name == "mtld" }
    var scorer = RecordScorer(options)
    let score = scorer.score(Self.text, tokens: nil)
    #expect(score.quality == nil && score.score == nil)
    #expect(score.signals.count == 6)
  }
}
