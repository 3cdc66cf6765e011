// SPDX-License-Identifier: Apache-2.0

/// The pass over a text's bytes behind ``TextAnalysis``.
struct TextScan {
  /// A line of at most this many scalars is short (FineWeb).
  static let shortLineScalars = 30

  var words: [TextAnalysis.Word] = []
  var lineList: [TextAnalysis.Line] = []
  var lineBreaks = 0
  var characters = 0
  var sentences = 0
  var letters = 0
  var whitespace = 0
  var symbols = 0
  var lines = 0
  var linesWithEndMark = 0
  var shortLines = 0

  private let table = ScalarTable.shared

  /// Offset of the scalar that is being read.
  private var position = 0

  // The word that is being read.
  private var inWord = false
  private var wordStart = 0
  private var wordScalars: Int32 = 0
  private var whole = WordHash()
  private var core = WordHash()
  /// The state of `core` and its length after the last letter or number.
  private var coreAtLast = WordHash()
  private var coreScalars: Int32 = 0
  private var coreScalarsAtLast: Int32 = 0
  private var coreLetters: Int32 = 0
  /// The last scalar that is no closing quote or bracket; the dots in a row before the current scalar.
  private var lastMark: UInt32 = 0
  private var lastMarkEnds = false
  private var dots = 0

  // The line that is being read: scalars up to its last word, from its first.
  private var lineScalars = 0
  private var lineScalarsAtWord = 0
  private var lineFirstWord = 0
  private var followsEmptyLine = true

  // The sentence that is being read.
  private var sentenceHasCore = false
  /// The word that is being read is the first one of its sentence that has a letter or number.
  private var isFirstInSentence = false
  /// The last word closes the sentence, unless the next one goes on in lower case.
  private var mayEnd = false

  mutating func run(_ bytes: UnsafeBufferPointer<UInt8>) {
    words.removeAll(keepingCapacity: true)
    lineList.removeAll(keepingCapacity: true)
    var index = 0
    while index < bytes.count {
      position = index
      let scalar = UTF8Scalars.next(bytes, &index)
      characters &+= 1
      let kind = table.kind(scalar)
      if kind.contains(.whitespace) {
        whitespace &+= 1
        if inWord { endWord() }
        if scalar == 0x0a { breakLine() } else if lineScalars > 0 { lineScalars &+= 1 }
      } else {
        add(scalar, kind)
      }
    }
    position = bytes.count
    if inWord { endWord() }
    endLine()
    endSentence()
  }

  @inline(__always)
  private mutating func add(_ scalar: UInt32, _ kind: ScalarClass) {
    if !inWord { beginWord() }
    wordScalars &+= 1
    lineScalars &+= 1
    let folded = kind.contains(.folds) ? table.folded(scalar) : scalar
    whole.add(folded)
    if !kind.isDisjoint(with: .alphanumeric) {
      if coreScalars == 0 { startCore(kind) }
      sentenceHasCore = true
      core.add(folded)
      coreScalars &+= 1
      coreAtLast = core
      coreScalarsAtLast = coreScalars
      if kind.contains(.letter) {
        letters &+= 1
        coreLetters &+= 1
      }
    } else if coreScalars > 0 {
      core.add(folded)
      coreScalars &+= 1
    }
    if !kind.contains(.closing) {
      lastMark = scalar
      lastMarkEnds = kind.contains(.endMark)
    }
    if scalar == 0x2e {
      dots &+= 1
      if dots == 3 {
        symbols &+= 1
        dots = 0
      }
    } else {
      dots = 0
      if scalar == 0x23 || scalar == 0x2026 { symbols &+= 1 }
    }
    if kind.contains(.fullStop) { endSentence() }
  }

  /// The first letter or number of a word tells whether the sentence before it has ended.
  private mutating func startCore(_ kind: ScalarClass) {
    if mayEnd && !kind.contains(.lowercase) { endSentence() }
    mayEnd = false
    isFirstInSentence = !sentenceHasCore
  }

  private mutating func beginWord() {
    inWord = true
    wordStart = position
    wordScalars = 0
    whole = WordHash()
    core = WordHash()
    coreScalars = 0
    coreScalarsAtLast = 0
    coreLetters = 0
    lastMark = 0
    lastMarkEnds = false
    dots = 0
  }

  private mutating func endWord() {
    inWord = false
    let hasCore = coreScalarsAtLast > 0
    let name = hasCore ? coreAtLast.value : whole.value
    words.append(
      TextAnalysis.Word(
        name: name, scalars: wordScalars,
        normalisedScalars: hasCore ? coreScalarsAtLast : wordScalars,
        start: UInt32(truncatingIfNeeded: wordStart),
        bytes: UInt32(truncatingIfNeeded: position &- wordStart),
        hasLetter: coreLetters > 0, hasCore: hasCore))
    lineScalarsAtWord = lineScalars
    guard lastMarkEnds else {
      if hasCore { mayEnd = false }
      return
    }
    let isInitial = coreScalarsAtLast == 1 && coreLetters == 1
    let isItemNumber = hasCore && coreLetters == 0 && isFirstInSentence
    mayEnd =
      lastMark != 0x2e || !(isInitial || isItemNumber || Abbreviations.words.contains(name))
  }

  private mutating func breakLine() {
    lineBreaks &+= 1
    endLine()
  }

  /// At a line feed: what stood on the line is counted; an empty line ends the sentence.
  private mutating func endLine() {
    if lineScalarsAtWord > 0 {
      lines &+= 1
      if lineScalarsAtWord <= TextScan.shortLineScalars { shortLines &+= 1 }
      if lastMarkEnds { linesWithEndMark &+= 1 }
      lineList.append(
        TextAnalysis.Line(
          firstWord: Int32(truncatingIfNeeded: lineFirstWord),
          wordCount: Int32(truncatingIfNeeded: words.count &- lineFirstWord),
          scalars: Int32(truncatingIfNeeded: lineScalarsAtWord), hasEndMark: lastMarkEnds,
          startsParagraph: followsEmptyLine))
      lineFirstWord = words.count
      followsEmptyLine = false
    } else {
      endSentence()
      followsEmptyLine = true
    }
    lineScalars = 0
    lineScalarsAtWord = 0
  }

  private mutating func endSentence() {
    if sentenceHasCore { sentences &+= 1 }
    sentenceHasCore = false
    mayEnd = false
  }
}

/// Words before a dot that do not end a sentence.
enum Abbreviations {
  static let list = [
    "al", "approx", "cf", "corp", "dept", "dr", "e.g", "ed", "eds", "eg", "eq", "fig", "i.e", "ie",
    "inc", "jr", "ltd", "messrs", "mr", "mrs", "ms", "nos", "pp", "prof", "sr", "st", "viz", "vol",
    "vs",
  ]
  static let words = WordSet(list)
}
