// SPDX-License-Identifier: Apache-2.0

/// A text as the quality model reads it: its symbols, and its tokens.
///
/// Symbols are scalars in lower case, digits all as 0, a run of white space as one space. Tokens are runs
/// of letters, runs of numbers, and every other scalar by itself.
struct QualityTokens {
  struct Token {
    /// Name of the token.
    let name: UInt64
    /// Name of its ending, for tokens that are too rare to stand for themselves.
    let ending: UInt64
  }

  private(set) var symbols: [UInt32] = []
  private(set) var tokens: [Token] = []

  private static let space: UInt32 = 0x20
  private static let digit: UInt32 = 0x30
  /// Stands before the first symbol, so that it has a context.
  private static let start: UInt32 = 0x02
  static let padding = CharacterModel.order - 1

  private enum Kind { case none, letters, number }
  private var kind = Kind.none
  private var hash = WordHash()
  private var length = 0
  private var last: (UInt32, UInt32, UInt32) = (0, 0, 0)

  mutating func read(_ text: String) {
    symbols.removeAll(keepingCapacity: true)
    tokens.removeAll(keepingCapacity: true)
    for _ in 0..<Self.padding { symbols.append(Self.start) }
    let table = ScalarTable.shared
    var text = text
    text.withUTF8 { bytes in
      var index = 0
      while index < bytes.count {
        let scalar = UTF8Scalars.next(bytes, &index)
        let kind = table.kind(scalar)
        if kind.contains(.whitespace) {
          endToken()
          if symbols.last != Self.space { symbols.append(Self.space) }
        } else {
          add(scalar, kind, table)
        }
      }
    }
    endToken()
  }

  @inline(__always)
  private mutating func add(_ scalar: UInt32, _ kind: ScalarClass, _ table: ScalarTable) {
    let folded = kind.contains(.folds) ? table.folded(scalar) : scalar
    if kind.contains(.letter) {
      if self.kind != .letters { endToken() }
      self.kind = .letters
      hash.add(folded)
      length &+= 1
      last = (last.1, last.2, folded)
      symbols.append(folded)
    } else if kind.contains(.number) {
      if self.kind != .number { endToken() }
      self.kind = .number
      symbols.append(Self.digit)
    } else {
      endToken()
      let name = WordHash.mix(UInt64(folded))
      tokens.append(Token(name: name, ending: name))
      symbols.append(folded)
    }
  }

  private mutating func endToken() {
    switch kind {
    case .none: return
    case .number:
      let name = WordHash.mix(1 << 40)
      tokens.append(Token(name: name, ending: name))
    case .letters: tokens.append(Token(name: hash.value, ending: ending))
    }
    kind = .none
    hash = WordHash()
    length = 0
    last = (0, 0, 0)
  }

  /// The last three letters of a word of five or more, the last two of one of three or four.
  private var ending: UInt64 {
    var name: UInt64 = 2 << 40
    if length > 4 { name = WordHash.mix(name ^ UInt64(last.0)) }
    if length > 2 {
      name = WordHash.mix(name ^ UInt64(last.1))
      name = WordHash.mix(name ^ UInt64(last.2))
    }
    return WordHash.mix(name)
  }
}

/// Scalars of a text that is known to be valid UTF-8.
enum UTF8Scalars {
  @inline(__always)
  static func next(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int) -> UInt32 {
    var scalar = UInt32(bytes[index])
    index &+= 1
    if scalar < 0x80 { return scalar }
    // The bytes that the first one promises are there.
    let count = scalar >= 0xf0 ? 3 : scalar >= 0xe0 ? 2 : 1
    scalar &= count == 3 ? 0x07 : count == 2 ? 0x0f : 0x1f
    for _ in 0..<count {
      scalar = scalar << 6 | UInt32(bytes[index] & 0x3f)
      index &+= 1
    }
    return scalar
  }
}
