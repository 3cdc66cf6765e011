// SPDX-License-Identifier: Apache-2.0

/// Flesch's reading ease (Flesch 1948): 206.835 - 1.015 words/sentences - 84.6 syllables/words. High is
/// easy. Words are those with a letter, syllables as in ``SyllablesPerWord``.
struct FleschEase: Signal {
  let name = "flesch_ease"
  let version = 1
  let range = -Double.greatestFiniteMagnitude...206.835
  let families: [SignalFamily] = [.readability]
  let summary = "reading ease after Flesch; high is easy"

  func value(of text: borrowing TextAnalysis) -> Double? {
    let (syllables, words) = SyllablesPerWord.count(text)
    if words == 0 || text.sentences == 0 { return nil }
    let sentenceLength = Double(words) / Double(text.sentences)
    return 206.835 - 1.015 * sentenceLength - 84.6 * Double(syllables) / Double(words)
  }
}
