// SPDX-License-Identifier: Apache-2.0

/// Syllables of a word, counted by letters as Flesch's users do: groups of a, e, i, o, u, y; a final e
/// after another letter than these is silent, unless it ends in -le after such a letter; at least 1. Over the
/// words that have a letter. For English.
struct SyllablesPerWord: Signal {
  let name = "syllables_per_word"
  let version = 1
  let range = 1.0...Double.greatestFiniteMagnitude
  let families: [SignalFamily] = [.readability]
  let summary = "syllables of a word, for English"

  func value(of text: borrowing TextAnalysis) -> Double? {
    let (syllables, words) = SyllablesPerWord.count(text)
    return words == 0 ? nil : Double(syllables) / Double(words)
  }

  /// Syllables, and the words that they are in.
  static func count(_ text: borrowing TextAnalysis) -> (syllables: Int, words: Int) {
    let words = text.words
    return text.withBytes { bytes in
      var (sum, count) = (0, 0)
      for word in words where word.hasLetter {
        let start = Int(word.start)
        sum += syllables(UnsafeBufferPointer(rebasing: bytes[start..<start + Int(word.bytes)]))
        count += 1
      }
      return (sum, count)
    }
  }

  private static func isVowel(_ byte: UInt8) -> Bool {
    switch byte | 0x20 {
    case 0x61, 0x65, 0x69, 0x6f, 0x75, 0x79: true
    default: false
    }
  }

  private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte | 0x20) }

  static func syllables(_ word: UnsafeBufferPointer<UInt8>) -> Int {
    guard let last = word.lastIndex(where: isLetter) else { return 1 }
    var groups = 0
    var wasVowel = false
    for byte in word[...last] {
      let vowel = isLetter(byte) && isVowel(byte)
      if vowel && !wasVowel { groups += 1 }
      wasVowel = vowel
    }
    func consonant(_ index: Int) -> Bool {
      index >= 0 && isLetter(word[index]) && !isVowel(word[index])
    }
    if word[last] | 0x20 == 0x65, consonant(last - 1) {
      let endsInLE = word[last - 1] | 0x20 == 0x6c && consonant(last - 2)
      if !endsInLE { groups -= 1 }
    }
    return max(1, groups)
  }
}
