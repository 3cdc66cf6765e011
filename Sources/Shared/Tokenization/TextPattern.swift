// SPDX-License-Identifier: Apache-2.0

/// What `Split` and `Replace` look for.
enum TextPattern: Sendable, Equatable {
  case literal([UInt8])
  /// Matches everywhere: each piece of the rule is a match.
  case rule(SplitRule)
  /// Each character of a kind alone.
  case characters(CharacterKind)
  /// `\w+|[^\w\s]+`
  case words
  case regularExpression(RegularExpression)

  enum CharacterKind: String, Sendable {
    case number, whitespace, punctuation

    func contains(_ scalar: Unicode.Scalar) -> Bool {
      switch self {
      case .number: CharacterClass.of(scalar) == CharacterClass.number
      case .whitespace: scalar.properties.isWhitespace
      case .punctuation: CharacterClass.isPunctuation(scalar)
      }
    }
  }

  /// Calls `body` with the matches in `text`, in order. Matches may be empty.
  func forEachMatch(in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
    guard let base = text.baseAddress, !text.isEmpty else { return }
    switch self {
    case .literal(let literal): search(literal, text, body)
    case .rule(let rule):
      let scanner = PieceScanner(base, end: text.count, rule: rule)
      var start = 0
      while start < text.count {
        let end = scanner.pieceEnd(from: start)
        body(start..<end)
        start = end
      }
    case .characters(let kind):
      var offset = 0
      while offset < text.count {
        let decoded = DecodedScalar(base, at: offset, end: text.count)
        if kind.contains(decoded.scalar) { body(offset..<offset + decoded.length) }
        offset += decoded.length
      }
    case .words: words(base, text.count, body)
    case .regularExpression(let expression): expression.forEachMatch(in: text, body)
    }
  }

  private func search(
    _ literal: [UInt8], _ text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void
  ) {
    guard let first = literal.first else { return }
    var offset = 0
    while offset + literal.count <= text.count {
      if text[offset] == first, text[offset..<offset + literal.count].elementsEqual(literal) {
        body(offset..<offset + literal.count)
        offset += literal.count
      } else {
        offset += 1
      }
    }
  }

  private func words(_ base: UnsafePointer<UInt8>, _ count: Int, _ body: (Range<Int>) -> Void) {
    var start = 0
    var previous: UInt8 = 0
    var offset = 0
    while offset < count {
      let decoded = DecodedScalar(base, at: offset, end: count)
      let kind: UInt8 =
        CharacterClass.isWord(decoded.scalar) ? 1 : decoded.scalar.properties.isWhitespace ? 0 : 2
      if kind != previous {
        if previous != 0 { body(start..<offset) }
        start = offset
        previous = kind
      }
      offset += decoded.length
    }
    if previous != 0 { body(start..<count) }
  }

  /// Names the pattern, for the digest of a tokenizer.
  var description: String {
    switch self {
    case .literal(let bytes): "literal\(bytes)"
    case .rule(let rule): rule.rawValue
    case .characters(let kind): kind.rawValue
    case .words: "words"
    case .regularExpression(let expression): "/\(expression.pattern)/"
    }
  }
}

extension CharacterClass {
  /// ASCII punctuation and symbols, and the general categories P*.
  static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x21...0x2f, 0x3a...0x40, 0x5b...0x60, 0x7b...0x7e: return true
    case 0..<0x80: return false
    default: break
    }
    switch scalar.properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
      .initialPunctuation, .finalPunctuation, .otherPunctuation:
      return true
    default: return false
    }
  }
}
