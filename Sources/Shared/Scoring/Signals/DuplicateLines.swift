// SPDX-License-Identifier: Apache-2.0

/// Lines or paragraphs that occurred before in the text: their share of the number, or of the scalars of
/// all. They are equal if their words are, in normalised form. Source: Gopher (Rae et al. 2021, table A1), with
/// limits .30, .30, .20 and .20; FineWeb allows .01 of the lines' scalars.
struct DuplicateLines: Signal {
  enum Kind: Sendable { case lines, paragraphs, lineCharacters, paragraphCharacters }

  let kind: Kind
  let version = 1
  let range = 0.0...1.0

  init(_ kind: Kind) { self.kind = kind }

  var name: String {
    switch kind {
    case .lines: "duplicate_lines"
    case .paragraphs: "duplicate_paragraphs"
    case .lineCharacters: "duplicate_line_characters"
    case .paragraphCharacters: "duplicate_paragraph_characters"
    }
  }
  var families: [SignalFamily] {
    kind == .lineCharacters ? [.repetition, .gopher, .fineweb] : [.repetition, .gopher]
  }
  var summary: String {
    switch kind {
    case .lines: "share of the lines that occurred before"
    case .paragraphs: "share of the paragraphs that occurred before"
    case .lineCharacters: "share of the lines' characters in lines that occurred before"
    case .paragraphCharacters: "share of the characters in paragraphs that occurred before"
    }
  }

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.lines == 0 { return nil }
    let joins = kind == .paragraphs || kind == .paragraphCharacters
    text.table.reset(expecting: text.lineList.count)
    var (all, repeated) = (0, 0)
    var (name, scalars, isOpen) = (UInt64(0), 0, false)
    func close() {
      if !isOpen { return }
      let counts = kind == .lines || kind == .paragraphs
      let size = counts ? 1 : scalars
      all += size
      if text.table.add(name).count > 1 { repeated += size }
      (name, scalars, isOpen) = (0, 0, false)
    }
    for line in text.lineList {
      if !joins || line.startsParagraph { close() }
      isOpen = true
      scalars += Int(line.scalars)
      let first = Int(line.firstWord)
      for word in text.words[first..<first + Int(line.wordCount)] {
        name = WordHash.extending(name, by: word.name)
      }
      // Where a line ends counts in a paragraph.
      name = WordHash.extending(name, by: 1)
    }
    close()
    return Double(repeated) / Double(all)
  }
}
