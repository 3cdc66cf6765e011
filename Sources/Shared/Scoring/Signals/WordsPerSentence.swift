// SPDX-License-Identifier: Apache-2.0

/// Words that have a letter, for each sentence.
struct WordsPerSentence: Signal {
  let name = "words_per_sentence"
  let version = 1
  let range = 0.0...Double.greatestFiniteMagnitude
  let families: [SignalFamily] = [.readability]
  let summary = "words that have a letter, for each sentence"

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.sentences == 0 { return nil }
    let words = text.words.count { $0.hasLetter }
    return words == 0 ? nil : Double(words) / Double(text.sentences)
  }
}
