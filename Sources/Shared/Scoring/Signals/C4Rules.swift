// SPDX-License-Identifier: Apache-2.0

/// The rules of C4 (Raffel et al. 2020, section 2.2) as this toolkit reads them.
///
/// A line is kept that has at least 3 words, none of more than 1,000 scalars, ends in an end mark or a closing
/// quote and not in `...` or …, and holds none of the phrases below, capitals or not.
enum C4 {
  private static let phrases: [StaticString] = [
    "javascript", "terms of use", "privacy policy", "cookie policy", "uses cookies",
    "use of cookies", "use cookies",
  ]

  /// The lines that are kept, as ranges of the text's bytes.
  static func keptLines(_ text: borrowing TextAnalysis) -> [Range<Int>] {
    let lines = text.lineList.map { (line: $0, bytes: text.byteRange($0)) }
    let words = text.words
    return text.withBytes { bytes in
      lines.filter { line, range in
        let span = UnsafeBufferPointer(rebasing: bytes[range])
        let first = Int(line.firstWord)
        return line.wordCount >= 3
          && words[first..<first + Int(line.wordCount)].allSatisfy { $0.scalars <= 1000 }
          && (line.hasEndMark || span.last == 0x22 || span.last == 0x27)
          && !endsInEllipsis(span) && !phrases.contains { ByteSearch.contains(span, $0) }
      }.map(\.bytes)
    }
  }

  private static func endsInEllipsis(_ line: UnsafeBufferPointer<UInt8>) -> Bool {
    line.suffix(3).elementsEqual("...".utf8) || line.suffix(3).elementsEqual("…".utf8)
  }
}

/// 1 if the text passes: no `{`, no "lorem ipsum", and 5 sentences in the lines that are kept; else 0.
struct C4Rules: Signal {
  let name = "c4"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.c4]
  let summary = "1 if C4's rules let the text pass, else 0"
  private static let sentences = 5

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.words.isEmpty { return 0 }
    let lines = C4.keptLines(text)
    return text.withBytes { bytes in
      if bytes.contains(0x7b) || ByteSearch.contains(bytes, "lorem ipsum") { return 0 }
      var kept: [UInt8] = []
      for line in lines {
        kept += bytes[line]
        kept.append(0x0a)
      }
      var scan = TextScan()
      kept.withUnsafeBufferPointer { scan.run($0) }
      return scan.sentences >= C4Rules.sentences ? 1 : 0
    }
  }
}

/// Share of the lines that C4 keeps.
struct C4Lines: Signal {
  let name = "c4_lines"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.c4, .lines]
  let summary = "share of the lines that C4 keeps"

  func value(of text: borrowing TextAnalysis) -> Double? {
    text.lines == 0 ? nil : Double(C4.keptLines(text).count) / Double(text.lines)
  }
}

/// Occurrences of "lorem ipsum", capitals or not, for each scalar. Source: RedPajama-Data-V2.
struct LoremIpsum: Signal {
  let name = "lorem_ipsum"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.c4]
  let summary = "occurrences of lorem ipsum for each character"

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.characters == 0 { return nil }
    return Double(text.withBytes { ByteSearch.count($0, "lorem ipsum") }) / Double(text.characters)
  }
}

/// Share of the scalars that are { or }. Source: RedPajama-Data-V2.
struct CurlyBrackets: Signal {
  let name = "curly_brackets"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.c4, .characters]
  let summary = "share of the characters that are { or }"

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.characters == 0 { return nil }
    return Double(text.withBytes { $0.count { $0 == 0x7b || $0 == 0x7d } })
      / Double(text.characters)
  }
}
