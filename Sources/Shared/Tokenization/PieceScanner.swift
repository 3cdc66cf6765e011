// SPDX-License-Identifier: Apache-2.0

/// Finds the pieces of one stretch of text, one after another.
struct PieceScanner {
  private let bytes: UnsafePointer<UInt8>
  private let end: Int
  private let rule: SplitRule
  private let classes: UnsafePointer<UInt8>
  private let table: ClassTable
  private let cased: ClassTable?

  /// - Parameter bytes: UTF-8, `end` bytes, which must outlive the scanner.
  init(_ bytes: UnsafePointer<UInt8>, end: Int, rule: SplitRule) {
    self.bytes = bytes
    self.end = end
    self.rule = rule
    table = rule == .qwen35 ? CharacterClass.tableWithMarks : CharacterClass.table
    classes = table.base
    cased = rule == .tekken || rule == .gpt4o ? CharacterClass.casedTable : nil
  }

  /// Where the piece that starts at `start`, below `end`, ends.
  @inline(__always)
  func pieceEnd(from start: Int) -> Int {
    switch rule {
    case .gpt2: gpt2(start, isolateDigits: false)
    case .gpt2IsolatedDigits: gpt2(start, isolateDigits: true)
    case .llama3: llama3(start, digits: 3)
    case .qwen2, .qwen35: llama3(start, digits: 1)
    case .tekken: casedWords(start, digits: 1, contractions: false)
    case .gpt4o: casedWords(start, digits: 3, contractions: true)
    }
  }

  // MARK: Patterns

  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  @inline(__always)
  private func gpt2(_ start: Int, isolateDigits: Bool) -> Int {
    var length = 0
    var kind = characterClass(at: start, &length)
    if isolateDigits, kind == CharacterClass.number { return start + length }
    let byte = bytes[start]
    if byte == UInt8(ascii: "'"), let end = contraction(start, foldCase: false) { return end }
    var first = start
    if byte == UInt8(ascii: " "), start + 1 < end {
      first = start + 1
      kind = characterClass(at: first, &length)
      if isolateDigits, kind == CharacterClass.number { return first }
    }
    if kind == CharacterClass.space { return whitespace(start, stopAtDigits: isolateDigits) }
    return run(of: kind, from: first + length)
  }

  /// `(?i:'s|…)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,d}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
  private func llama3(_ start: Int, digits: Int) -> Int {
    var length = 0
    let kind = characterClass(at: start, &length)
    let byte = bytes[start]
    if byte == UInt8(ascii: "'"), let end = contraction(start, foldCase: true) { return end }
    if kind == CharacterClass.letter { return run(of: kind, from: start + length) }
    if kind == CharacterClass.number {
      return run(of: kind, from: start + length, atMost: digits - 1)
    }
    let second = start + length
    var secondLength = 0
    let secondKind =
      second < end ? characterClass(at: second, &secondLength) : CharacterClass.space
    if !isLineBreak(byte), second < end, secondKind == CharacterClass.letter {
      return run(of: secondKind, from: second + secondLength)
    }
    var symbols = start
    if byte == UInt8(ascii: " "), second < end, secondKind == CharacterClass.other {
      symbols = second
    }
    if symbols > start || kind == CharacterClass.other {
      var offset = run(of: CharacterClass.other, from: symbols)
      while offset < end, isLineBreak(bytes[offset]) { offset += 1 }
      return offset
    }
    return lineBreaks(start) ?? whitespace(start, stopAtDigits: false)
  }

  /// tekken's and GPT-4o's pattern:
  /// `[^\r\n\p{L}\p{N}]?U*W+|[^\r\n\p{L}\p{N}]?U+W*|\p{N}{1,d}| ?[^\s\p{L}\p{N}]+[\r\n/]*|…`
  /// with U and W the upper and the lower side of ``CharacterClass``; contractions may follow.
  private func casedWords(_ start: Int, digits: Int, contractions: Bool) -> Int {
    var length = 0
    let kind = characterClass(at: start, &length)
    let byte = bytes[start]
    let mayPrecede =
      !isLineBreak(byte) && kind != CharacterClass.letter && kind != CharacterClass.number
    let second = start + length
    let word =
      (mayPrecede ? endingInLower(second) : nil) ?? endingInLower(start)
      ?? (mayPrecede ? beginningInUpper(second) : nil) ?? beginningInUpper(start)
    if let word {
      guard contractions, word < end, bytes[word] == UInt8(ascii: "'") else { return word }
      return contraction(word, foldCase: true) ?? word
    }
    if kind == CharacterClass.number {
      return run(of: kind, from: second, atMost: digits - 1)
    }
    var symbols = start
    var secondLength = 0
    if byte == UInt8(ascii: " "), second < end,
      characterClass(at: second, &secondLength) == CharacterClass.other
    {
      symbols = second
    }
    if symbols > start || kind == CharacterClass.other {
      var offset = run(of: CharacterClass.other, from: symbols)
      while offset < end, isLineBreak(bytes[offset]) || bytes[offset] == UInt8(ascii: "/") {
        offset += 1
      }
      return offset
    }
    return lineBreaks(start) ?? whitespace(start, stopAtDigits: false)
  }

  /// `U*W+`. Where no lower letter follows the run of U, its last character that is also of W ends
  /// the match.
  private func endingInLower(_ start: Int) -> Int? {
    var offset = start
    var lastLower: Int?
    var length = 0
    while offset < end {
      let sides = sides(at: offset, &length)
      guard sides & CharacterClass.upperSide != 0 else {
        return sides != 0 ? run(ofSide: CharacterClass.lowerSide, from: offset) : lastLower
      }
      offset += length
      if sides & CharacterClass.lowerSide != 0 { lastLower = offset }
    }
    return lastLower
  }

  /// `U+W*`
  private func beginningInUpper(_ start: Int) -> Int? {
    let upper = run(ofSide: CharacterClass.upperSide, from: start)
    return upper > start ? run(ofSide: CharacterClass.lowerSide, from: upper) : nil
  }

  private func run(ofSide side: UInt8, from start: Int) -> Int {
    var offset = start
    var length = 0
    while offset < end, sides(at: offset, &length) & side != 0 { offset += length }
    return offset
  }

  private func sides(at offset: Int, _ length: inout Int) -> UInt8 {
    guard let cased else { return 0 }
    let decoded = DecodedScalar(bytes, at: offset, end: end)
    length = decoded.length
    return decoded.value < 0x10000
      ? cased.base[Int(decoded.value)] : cased.beyond(decoded.value)
  }

  // MARK: Parts of patterns

  @inline(__always)
  private func characterClass(at offset: Int, _ length: inout Int) -> UInt8 {
    let byte = bytes[offset]
    if byte < 0x80 {
      length = 1
      return classes[Int(byte)]
    }
    let decoded = DecodedScalar(bytes, at: offset, end: end)
    length = decoded.length
    if decoded.value < 0x10000 { return classes[Int(decoded.value)] }
    return table.beyond(decoded.value)
  }

  @inline(__always)
  private func run(of kind: UInt8, from start: Int, atMost limit: Int = .max) -> Int {
    var offset = start
    var length = 0
    var left = limit
    while offset < end, left > 0, characterClass(at: offset, &length) == kind {
      offset += length
      left -= 1
    }
    return offset
  }

  @inline(__always)
  private func isLineBreak(_ byte: UInt8) -> Bool { byte == 0x0a || byte == 0x0d }

  /// `\s+(?!\S)|\s+`: a run of white space, without its last character if text follows.
  private func whitespace(_ start: Int, stopAtDigits: Bool) -> Int {
    var offset = start
    var last = start
    var length = 0
    while offset < end {
      let kind = characterClass(at: offset, &length)
      if kind != CharacterClass.space {
        // A digit cut out before is the end of the text for the pattern.
        if stopAtDigits, kind == CharacterClass.number { return offset }
        return last > start ? last : offset
      }
      last = offset
      offset += length
    }
    return offset
  }

  /// `\s*[\r\n]+`
  private func lineBreaks(_ start: Int) -> Int? {
    var offset = start
    var length = 0
    var result: Int?
    while offset < end, characterClass(at: offset, &length) == CharacterClass.space {
      offset += length
      if isLineBreak(bytes[offset - 1]) { result = offset }
    }
    return result
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d`
  private func contraction(_ start: Int, foldCase: Bool) -> Int? {
    guard start + 1 < end else { return nil }
    let fold: UInt8 = foldCase ? 0x20 : 0
    switch bytes[start + 1] | fold {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"):
      guard start + 2 < end, bytes[start + 2] | fold == UInt8(ascii: "e") else { return nil }
      return start + 3
    case UInt8(ascii: "l"):
      guard start + 2 < end, bytes[start + 2] | fold == UInt8(ascii: "l") else { return nil }
      return start + 3
    case 0xe5 where foldCase:
      // U+017F, the long s, is an s when case is ignored.
      guard start + 2 < end, bytes[start + 1] == 0xc5, bytes[start + 2] == 0xbf else { return nil }
      return start + 3
    default: return nil
    }
  }
}
