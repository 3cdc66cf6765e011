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
    var hasLetter: Bool
    /// The word has a letter or a number.
    var hasCore: Bool
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
  var linesWithEndMark = 0
  var shortLines = 0
  /// Room for counting, for the signals' own use.
  let table = CountTable()
  let positions = PositionLists()

  package init() {}

  /// Replaces what is known by the facts of `text`. Linear in its length.
  package mutating func analyse(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      var scan = TextScan()
      swap(&scan.words, &words)  // keeps the storage
      scan.run(bytes)
      swap(&scan.words, &words)
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
}
