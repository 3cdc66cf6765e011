// SPDX-License-Identifier: Apache-2.0

/// Occurrences of `#` for each word. Source: Gopher (Rae et al. 2021, table A1), limit .1.
struct HashesPerWord: Signal {
  let name = "hashes_per_word"
  let version = 1
  let range = 0.0...Double.greatestFiniteMagnitude
  let families: [SignalFamily] = [.gopher]
  let summary = "# for each word"

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.words.isEmpty { return nil }
    return Double(text.withBytes { $0.count { $0 == 0x23 } }) / Double(text.words.count)
  }
}

/// Occurrences of `…` and of `...` (not overlapping) for each word. Source: as ``HashesPerWord``.
struct EllipsesPerWord: Signal {
  let name = "ellipses_per_word"
  let version = 1
  let range = 0.0...Double.greatestFiniteMagnitude
  let families: [SignalFamily] = [.gopher]
  let summary = "… and ... for each word"

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.words.isEmpty { return nil }
    // ``TextAnalysis/symbols`` counts both kinds.
    let hashes = text.withBytes { $0.count { $0 == 0x23 } }
    return Double(text.symbols - hashes) / Double(text.words.count)
  }
}

/// How many of the words the, be, to, of, and, that, have, with occur. Source: Gopher (Rae et al. 2021,
/// table A1), which asks for two. Long texts always pass.
struct CommonWords: Signal {
  let name = "common_words"
  let version = 1
  let range = 0.0...8.0
  let families: [SignalFamily] = [.gopher]
  let summary = "how many of eight English words occur"
  private static let names = ["the", "be", "to", "of", "and", "that", "have", "with"].map(WordHash.of)

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.words.isEmpty { return nil }
    return Double(CommonWords.names.count { name in text.words.contains { $0.name == name } })
  }
}

/// Scalars of the longest word. Sources: C4 and NeMo Curator, limit 1,000.
struct LongestWord: Signal {
  let name = "longest_word"
  let version = 1
  let range = 1.0...Double.greatestFiniteMagnitude
  let families: [SignalFamily] = [.words]
  let summary = "characters of the longest word"

  func value(of text: borrowing TextAnalysis) -> Double? {
    text.words.map(\.scalars).max().map(Double.init)
  }
}

/// Share of the words of two ASCII letters or more that are all capitals. Source: RedPajama-Data-V2,
/// rps_doc_frac_all_caps_words.
struct CapitalWords: Signal {
  let name = "capital_words"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.words]
  let summary = "share of the words that are all capitals"

  func value(of text: borrowing TextAnalysis) -> Double? {
    let words = text.words
    if words.isEmpty { return nil }
    let count = text.withBytes { bytes in
      words.count { word in
        let start = Int(word.start)
        var capitals = 0
        for byte in bytes[start..<start + Int(word.bytes)] {
          if (0x61...0x7a).contains(byte) || byte >= 0x80 { return false }
          if (0x41...0x5a).contains(byte) { capitals += 1 }
        }
        return capitals >= 2
      }
    }
    return Double(count) / Double(words.count)
  }
}

/// Share of the scalars in words that hold `://` or begin with `www.`. Source: NeMo Curator, limit .2.
struct LinkCharacters: Signal {
  let name = "link_characters"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.words]
  let summary = "share of the characters in links"

  func value(of text: borrowing TextAnalysis) -> Double? {
    let words = text.words
    if words.isEmpty { return nil }
    let scalars = text.withBytes { bytes in
      words.reduce(0) { sum, word in
        let start = Int(word.start)
        let span = UnsafeBufferPointer(rebasing: bytes[start..<start + Int(word.bytes)])
        let isLink =
          ByteSearch.contains(span, "://") || span.starts(with: "www.".utf8)
        return sum + (isLink ? Int(word.scalars) : 0)
      }
    }
    return Double(scalars) / Double(text.characters)
  }
}
