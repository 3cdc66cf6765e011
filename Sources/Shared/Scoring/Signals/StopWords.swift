// SPDX-License-Identifier: Apache-2.0

/// Share of the words that are English function words.
///
/// Gopher (Rae et al. 2021, table A1) asks whether two of eight such words occur, which long texts
/// always pass; a share of a longer list does not depend on the length. For texts in other languages leave
/// the signal out.
struct StopWords: Signal {
  let name = "stop_words"
  let version = 1
  let families: [SignalFamily] = [.quality]
  let summary = "share of the words that are English function words"
  let range = 0.0...1.0
  private let ramp = Ramp(bad: 0.05, good: 0.25)

  static let list = [
    // articles, demonstratives, quantities
    "a", "an", "the", "this", "that", "these", "those", "all", "any", "both", "each", "every", "few",
    "many", "more", "most", "much", "no", "other", "another", "same", "several", "some", "such",
    // pronouns
    "i", "you", "he", "she", "it", "we", "they", "me", "him", "her", "us", "them", "my", "your", "his",
    "its", "our", "their", "who", "whom", "whose", "which", "what", "one", "itself",
    // prepositions
    "about", "after", "against", "at", "before", "between", "by", "during", "for", "from", "in", "into",
    "of", "off", "on", "onto", "out", "over", "per", "through", "to", "under", "up", "upon", "with",
    "within", "without",
    // conjunctions
    "and", "as", "because", "but", "how", "if", "nor", "or", "since", "so", "than", "though", "until",
    "when", "where", "whether", "while", "why",
    // auxiliaries
    "am", "are", "be", "been", "being", "can", "cannot", "could", "did", "do", "does", "had", "has",
    "have", "having", "is", "may", "might", "must", "shall", "should", "was", "were", "will", "would",
    // adverbs of that kind
    "also", "here", "just", "not", "now", "only", "then", "there", "thus", "too", "very",
  ]
  private static let words = WordSet(list)

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.words.isEmpty { return nil }
    let words = StopWords.words
    var count = 0
    for word in text.words where words.contains(word.name) { count += 1 }
    return Double(count) / Double(text.words.count)
  }

  func quality(of value: Double) -> Double? { ramp(value) }
}
