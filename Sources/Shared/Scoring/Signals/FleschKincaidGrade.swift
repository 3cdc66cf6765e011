// SPDX-License-Identifier: Apache-2.0

/// The grade of Flesch and Kincaid (Kincaid et al. 1975): .39 words/sentences + 11.8 syllables/words - 15.59,
/// in years at an American school. Words and syllables as in ``FleschEase``.
struct FleschKincaidGrade: Signal {
  let name = "flesch_kincaid_grade"
  let version = 1
  let range = -15.59...Double.greatestFiniteMagnitude
  let families: [SignalFamily] = [.readability]
  let summary = "years at school that reading takes, after Flesch and Kincaid"

  func value(of text: borrowing TextAnalysis) -> Double? {
    let (syllables, words) = SyllablesPerWord.count(text)
    if words == 0 || text.sentences == 0 { return nil }
    let sentenceLength = Double(words) / Double(text.sentences)
    return 0.39 * sentenceLength + 11.8 * Double(syllables) / Double(words) - 15.59
  }
}
