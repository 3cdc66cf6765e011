// SPDX-License-Identifier: Apache-2.0

/// A token of a template.
struct JinjaToken: Equatable {
  enum Kind: Equatable {
    /// Text outside of tags, white space already trimmed.
    case data([UInt8])
    case blockBegin, blockEnd, variableBegin, variableEnd
    case name(String)
    case text([UInt8])
    case integer(Int)
    case float(Double)
    case symbol(String)
    case end
  }
  let kind: Kind
  let line: Int
}

/// Cuts a template into tokens, with `trim_blocks` and `lstrip_blocks` on, as transformers has it.
///
/// After the lexer of Jinja 3.1: line ends become `\n`, one at the very end is dropped, `-` strips
/// all white space on its side, `+` keeps it.
struct JinjaLexer {
  private let source: [UInt8]
  private var offset = 0
  private var line = 1
  private(set) var tokens: [JinjaToken] = []
  /// The last consumed character was a line end, or nothing was consumed yet.
  private var atLineStart = true

  /// Longer templates are refused.
  private static let longestTemplate = 1 << 20

  static func tokens(of template: String) throws(JinjaError) -> [JinjaToken] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(template.utf8.count)
    var afterReturn = false
    for byte in template.utf8 {
      if byte == 0x0d {
        bytes.append(0x0a)
      } else if !(byte == 0x0a && afterReturn) {
        bytes.append(byte)
      }
      afterReturn = byte == 0x0d
    }
    if bytes.last == 0x0a { bytes.removeLast() }
    if bytes.count > longestTemplate {
      throw JinjaError(.limit("the template is too long"), line: 1)
    }
    var lexer = JinjaLexer(source: bytes)
    try lexer.run()
    return lexer.tokens
  }

  private init(source: [UInt8]) { self.source = source }

  private mutating func run() throws(JinjaError) {
    while offset < source.count { try readData() }
    append(.end)
  }

  // MARK: Text

  /// Text up to the next tag, and the tag.
  private mutating func readData() throws(JinjaError) {
    let start = offset
    while offset < source.count, !isTag(offset) { offset += 1 }
    var text = Array(source[start..<offset])
    if offset == source.count {
      appendData(text)
      return
    }
    let opener = source[offset + 1]
    let sign = offset + 2 < source.count ? source[offset + 2] : 0
    if sign == UInt8(ascii: "-") {
      while let last = text.last, JinjaLexer.isSpace(last) { text.removeLast() }
    } else if sign != UInt8(ascii: "+"), opener != UInt8(ascii: "{") {
      stripLine(&text)
    }
    // Lines are counted over what stands in the source, trimmed or not.
    let consumed = source[start..<offset]
    appendData(text)
    line += consumed.count { $0 == 0x0a }
    offset += 2
    if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { offset += 1 }
    switch opener {
    case UInt8(ascii: "#"): try skipComment()
    case UInt8(ascii: "%"):
      if try !readRaw() {
        append(.blockBegin)
        try readTag(closing: UInt8(ascii: "%"))
      }
    default:
      append(.variableBegin)
      try readTag(closing: UInt8(ascii: "}"))
    }
  }

  /// `lstrip_blocks`: white space before a tag goes if nothing else stands on the line.
  private func stripLine(_ text: inout [UInt8]) {
    let lineStart = text.lastIndex(of: 0x0a).map { $0 + 1 } ?? 0
    if lineStart == 0, !atLineStart { return }
    if text[lineStart...].allSatisfy(JinjaLexer.isSpace) { text.removeSubrange(lineStart...) }
  }

  private func isTag(_ index: Int) -> Bool {
    guard source[index] == UInt8(ascii: "{"), index + 1 < source.count else { return false }
    switch source[index + 1] {
    case UInt8(ascii: "{"), UInt8(ascii: "%"), UInt8(ascii: "#"): return true
    default: return false
    }
  }

  private mutating func appendData(_ text: [UInt8]) {
    if !text.isEmpty { append(.data(text)) }
  }

  private mutating func skipComment() throws(JinjaError) {
    let start = line
    while offset + 1 < source.count {
      if source[offset] == UInt8(ascii: "#"), source[offset + 1] == UInt8(ascii: "}") {
        let sign = source[offset - 1]
        offset += 2
        finishTag(sign: sign, trims: true)
        return
      }
      if source[offset] == 0x0a { line += 1 }
      offset += 1
    }
    throw JinjaError(.syntax("a comment does not end"), line: start)
  }

  /// White space after a tag: all of it after `-`, one line end where `trims`, unless `+` keeps it.
  private mutating func finishTag(sign: UInt8, trims: Bool) {
    atLineStart = false
    if sign == UInt8(ascii: "-") {
      while offset < source.count, JinjaLexer.isSpace(source[offset]) {
        if source[offset] == 0x0a { line += 1 }
        atLineStart = source[offset] == 0x0a
        offset += 1
      }
    } else if trims, sign != UInt8(ascii: "+"), offset < source.count, source[offset] == 0x0a {
      offset += 1
      line += 1
      atLineStart = true
    }
  }

  /// `{% raw %}…{% endraw %}`, whose opening `{%` was consumed; false if this is another tag.
  private mutating func readRaw() throws(JinjaError) -> Bool {
    let start = offset
    guard let sign = word("raw", from: start) else { return false }
    finishTag(sign: sign, trims: true)
    let textStart = offset
    while offset + 1 < source.count {
      if source[offset] == UInt8(ascii: "{"), source[offset + 1] == UInt8(ascii: "%") {
        let textEnd = offset
        var tag = offset + 2
        let opening = tag < source.count ? source[tag] : 0
        if opening == UInt8(ascii: "-") || opening == UInt8(ascii: "+") { tag += 1 }
        if let sign = word("endraw", from: tag) {
          var text = Array(source[textStart..<textEnd])
          if opening == UInt8(ascii: "-") {
            while let last = text.last, JinjaLexer.isSpace(last) { text.removeLast() }
          } else if opening != UInt8(ascii: "+") {
            stripLine(&text)
          }
          appendData(text)
          line += source[textStart..<textEnd].count { $0 == 0x0a }
          finishTag(sign: sign, trims: true)
          return true
        }
      }
      offset += 1
    }
    throw JinjaError(.syntax("raw does not end"), line: line)
  }

  /// Consumes a tag that consists of one word; returns the sign before its end, or nil.
  private mutating func word(_ word: String, from start: Int) -> UInt8? {
    var index = start
    while index < source.count, JinjaLexer.isSpace(source[index]) { index += 1 }
    guard source[index...].starts(with: word.utf8) else { return nil }
    index += word.utf8.count
    while index < source.count, JinjaLexer.isSpace(source[index]) { index += 1 }
    var sign: UInt8 = 0
    if index < source.count,
      source[index] == UInt8(ascii: "-") || source[index] == UInt8(ascii: "+")
    {
      sign = source[index]
      index += 1
    }
    guard source[min(index, source.count)...].starts(with: "%}".utf8) else { return nil }
    offset = index + 2
    return sign
  }

  // MARK: Tags

  /// The tokens of a tag up to and with its end.
  private mutating func readTag(closing: UInt8) throws(JinjaError) {
    let start = line
    var brackets: [UInt8] = []
    while offset < source.count {
      let byte = source[offset]
      if JinjaLexer.isSpace(byte) {
        if byte == 0x0a { line += 1 }
        offset += 1
        continue
      }
      if brackets.isEmpty, let sign = tagEnd(closing) {
        append(closing == UInt8(ascii: "%") ? .blockEnd : .variableEnd)
        // Line ends after `}}` stay.
        finishTag(sign: sign, trims: closing == UInt8(ascii: "%"))
        return
      }
      try readToken(&brackets)
    }
    throw JinjaError(.syntax("a tag does not end"), line: start)
  }

  /// Consumes the end of a tag if it stands here; returns its sign or 0.
  private mutating func tagEnd(_ closing: UInt8) -> UInt8? {
    var index = offset
    var sign: UInt8 = 0
    if source[index] == UInt8(ascii: "-")
      || (source[index] == UInt8(ascii: "+") && closing == UInt8(ascii: "%"))
    {
      sign = source[index]
      index += 1
    }
    guard index + 1 < source.count, source[index] == closing,
      source[index + 1] == UInt8(ascii: "}")
    else { return nil }
    offset = index + 2
    return sign
  }

  private static let doubleSymbols = ["==", "!=", ">=", "<=", "//", "**"]
  private static let symbols = Array("+-*/%~[](){}<>=.:|,;".utf8)

  private mutating func readToken(_ brackets: inout [UInt8]) throws(JinjaError) {
    let byte = source[offset]
    switch byte {
    case UInt8(ascii: "'"), UInt8(ascii: "\""): try readText(quote: byte)
    case UInt8(ascii: "0")...UInt8(ascii: "9"): try readNumber()
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "_"), 0x80...:
      let start = offset
      while offset < source.count, JinjaLexer.isNamePart(source[offset]) { offset += 1 }
      append(.name(String(decoding: source[start..<offset], as: UTF8.self)))
    default:
      if offset + 1 < source.count {
        let pair = String(decoding: source[offset...offset + 1], as: UTF8.self)
        if JinjaLexer.doubleSymbols.contains(pair) {
          append(.symbol(pair))
          offset += 2
          return
        }
      }
      let text = String(decoding: [byte], as: UTF8.self)
      guard JinjaLexer.symbols.contains(byte) else {
        throw JinjaError(.syntax("unexpected character \"\(text)\""), line: line)
      }
      switch byte {
      case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"): brackets.append(byte)
      case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"):
        let opener: UInt8 =
          byte == UInt8(ascii: ")") ? UInt8(ascii: "(") : byte - 2
        guard brackets.popLast() == opener else {
          throw JinjaError(.syntax("unexpected \"\(text)\""), line: line)
        }
      default: break
      }
      append(.symbol(text))
      offset += 1
    }
  }

  private mutating func readNumber() throws(JinjaError) {
    let start = offset
    func digits() -> Int {
      var index = offset
      while index < source.count,
        (0x30...0x39).contains(source[index]) || source[index] == UInt8(ascii: "_")
      {
        index += 1
      }
      return index
    }
    offset = digits()
    var isFloat = false
    if offset + 1 < source.count, source[offset] == UInt8(ascii: "."),
      (0x30...0x39).contains(source[offset + 1])
    {
      isFloat = true
      offset += 1
      offset = digits()
    }
    if offset < source.count, source[offset] | 0x20 == UInt8(ascii: "e") {
      var digit = offset + 1
      if digit < source.count, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(source[digit]) {
        digit += 1
      }
      if digit < source.count, (0x30...0x39).contains(source[digit]) {
        isFloat = true
        offset = digit
        offset = digits()
      }
    }
    let text = String(
      decoding: source[start..<offset].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
    if !isFloat, let value = Int(text) {
      append(.integer(value))
    } else if isFloat, let value = Double(text) {
      append(.float(value))
    } else {
      throw JinjaError(.unsupported("the number \(text)"), line: line)
    }
  }

  private mutating func readText(quote: UInt8) throws(JinjaError) {
    let start = line
    var bytes: [UInt8] = []
    offset += 1
    while offset < source.count, source[offset] != quote {
      let byte = source[offset]
      if byte == 0x0a { line += 1 }
      if byte == UInt8(ascii: "\\"), offset + 1 < source.count {
        if source[offset + 1] == 0x0a { line += 1 }
        try readEscape(into: &bytes)
      } else {
        bytes.append(byte)
        offset += 1
      }
    }
    guard offset < source.count else {
      throw JinjaError(.syntax("a string does not end"), line: start)
    }
    offset += 1
    tokens.append(JinjaToken(kind: .text(bytes), line: start))
  }

  /// The escapes of Python's string literals; an unknown one stays as it is.
  private mutating func readEscape(into bytes: inout [UInt8]) throws(JinjaError) {
    let letter = source[offset + 1]
    offset += 2
    switch letter {
    case UInt8(ascii: "n"): bytes.append(0x0a)
    case UInt8(ascii: "t"): bytes.append(0x09)
    case UInt8(ascii: "r"): bytes.append(0x0d)
    case UInt8(ascii: "a"): bytes.append(0x07)
    case UInt8(ascii: "b"): bytes.append(0x08)
    case UInt8(ascii: "f"): bytes.append(0x0c)
    case UInt8(ascii: "v"): bytes.append(0x0b)
    case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): bytes.append(letter)
    case 0x0a: break
    case UInt8(ascii: "x"): try readScalar(digits: 2, into: &bytes)
    case UInt8(ascii: "u"): try readScalar(digits: 4, into: &bytes)
    case UInt8(ascii: "U"): try readScalar(digits: 8, into: &bytes)
    case UInt8(ascii: "0")...UInt8(ascii: "7"), UInt8(ascii: "N"):
      throw JinjaError(
        .unsupported("the escape \\\(String(decoding: [letter], as: UTF8.self))"), line: line)
    default: bytes += [UInt8(ascii: "\\"), letter]
    }
  }

  private mutating func readScalar(
    digits: Int, into bytes: inout [UInt8]
  ) throws(JinjaError) {
    guard offset + digits <= source.count,
      let value = UInt32(
        String(decoding: source[offset..<offset + digits], as: UTF8.self), radix: 16),
      let scalar = Unicode.Scalar(value)
    else { throw JinjaError(.syntax("a malformed escape in a string"), line: line) }
    bytes.append(contentsOf: String(Character(scalar)).utf8)
    offset += digits
  }

  private mutating func append(_ kind: JinjaToken.Kind) {
    tokens.append(JinjaToken(kind: kind, line: line))
  }

  static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

  private static func isNamePart(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
      true
    default: false
    }
  }
}
