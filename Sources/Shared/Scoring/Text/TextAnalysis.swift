// SPDX-License-Identifier: Apache-2.0

/// What all signals need to know of a text, found in one pass over its bytes. Terms are defined in
/// Documentation/scores.md.
package struct TextAnalysis: ~Copyable {
  /// One word: a run of scalars that are no white space.
  struct Word {
    /// Name of the normalised form: lower case, without leading and trailing scalars that are
    /// neither letter nor number (unless nothing else is there).
    var name: UInt64
    /// Scalars of the word, and of its normalised form.
    var scalars: Int32
    var normalisedScalars: Int32
    /// Offset and number of its bytes in the text (of texts below 4 GiB).
    var start: UInt32
    var bytes: UInt32
    var hasLetter: Bool
    /// The word has a letter or a number.
    var hasCore: Bool
  }

  /// A line that holds more than white space.
  struct Line {
    /// Its words.
    var firstWord: Int32
    var wordCount: Int32
    /// Scalars from its first word to its last.
    var scalars: Int32
    var hasEndMark: Bool
    /// The line before it is empty, or there is none.
    var startsParagraph: Bool
  }

  /// Unicode scalars of the text.
  package internal(set) var characters = 0
  /// Sentences.
  package internal(set) var sentences = 0
  /// White-space separated words.
  package var wordCount: Int { words.count }

  var words: [Word] = []
  var letters = 0
  var whitespace = 0
  /// Occurrences of `#`, of `…` and of `...`.
  var symbols = 0
  /// Lines that hold more than white space.
  var lines = 0
  var lineList: [Line] = []
  /// Line feeds.
  var lineBreaks = 0
  /// The text itself.
  var text = ""
  var linesWithEndMark = 0
  var shortLines = 0
  /// Room for counting, for the signals' own use.
  let table = CountTable()
  let positions = PositionLists()

  package init() {}

  /// Replaces what is known by the facts of `text`. Linear in its length.
  package mutating func analyse(_ text: String) {
    positions.repeatedShares = nil
    positions.language = nil
    self.text = text
    self.text.withUTF8 { bytes in
      var scan = TextScan()
      swap(&scan.words, &words)  // keeps the storage
      swap(&scan.lineList, &lineList)
      scan.run(bytes)
      swap(&scan.words, &words)
      swap(&scan.lineList, &lineList)
      lineBreaks = scan.lineBreaks
      characters = scan.characters
      sentences = scan.sentences
      letters = scan.letters
      whitespace = scan.whitespace
      symbols = scan.symbols
      lines = scan.lines
      linesWithEndMark = scan.linesWithEndMark
      shortLines = scan.shortLines
    }
  }
}

/// Lists of positions that the signals may use and leave as they like.
final class PositionLists {
  var candidates: [Int32] = []
  var slots: [Int32] = []
  var names: [UInt64] = []
  var offsets: [Int] = []
  /// ``RepeatedNGrams/shares(of:)`` of the text.
  var repeatedShares: [Double]?
  /// ``TextAnalysis/language`` of the text.
  var language: LanguageGuess?
}

extension TextAnalysis {
  /// Calls `body` with the text's bytes.
  func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    var text = text
    return text.withUTF8(body)
  }

  /// The text's language, found when it is first asked for.
  var language: LanguageGuess {
    if let known = positions.language { return known }
    let guess = LanguageGuess(of: text)
    positions.language = guess
    return guess
  }

  /// The bytes from a line's first word to its last.
  func byteRange(_ line: Line) -> Range<Int> {
    let first = words[Int(line.firstWord)]
    let last = words[Int(line.firstWord + line.wordCount) - 1]
    return Int(first.start)..<Int(last.start + last.bytes)
  }

  /// Fills `positions.names` with the names of the words that have a letter or number, in order.
  func collectCoreNames() {
    positions.names.removeAll(keepingCapacity: true)
    for word in words where word.hasCore { positions.names.append(word.name) }
  }
}
