// SPDX-License-Identifier: Apache-2.0

/// A token that is cut out of the text as a whole, before anything else.
package struct AddedToken: Sendable, Equatable {
  package var content: [UInt8]
  package var id: Int32
  /// Marks structure, such as the end of a turn; left out by `decode(skipSpecial:)`.
  package var isSpecial = true
  /// Matched in the normalized text instead of the text as given.
  package var isNormalized = false
  /// Matches only where no word character touches it.
  package var singleWord = false
  /// Swallows the white space before it.
  package var stripsLeft = false
  /// Swallows the white space after it.
  package var stripsRight = false
}

/// The added tokens of a tokenizer: the leftmost match first, of those the longest.
struct AddedTokens: Sendable {
  /// In order of id.
  let tokens: [AddedToken]
  private let verbatim: ByteTrie
  private let normalized: ByteTrie

  init(_ tokens: [AddedToken], normalizer: Normalizer) {
    self.tokens = tokens.sorted { $0.id < $1.id }
    var verbatim = ByteTrie()
    var normalized = ByteTrie()
    for (index, token) in self.tokens.enumerated() where !token.content.isEmpty {
      if token.isNormalized {
        let content = normalizer.apply(token.content)
        normalized.insert(content, value: Int32(index))
      } else {
        verbatim.insert(token.content, value: Int32(index))
      }
    }
    self.verbatim = verbatim
    self.normalized = normalized
  }

  /// A stretch of text, or an added token in its place.
  enum Part {
    case text(Range<Int>)
    case token(Int32)
  }

  var hasNormalizedTokens: Bool { !normalized.isEmpty }

  /// Cuts text into stretches and added tokens, in order.
  ///
  /// - Parameters:
  ///   - normalizedText: whether `bytes` is normalized text, and so which tokens to look for.
  ///   - parseSpecial: whether special tokens are looked for; others always are.
  func split(
    _ bytes: UnsafeBufferPointer<UInt8>, normalizedText: Bool, parseSpecial: Bool,
    _ body: (Part) -> Void
  ) {
    let trie = normalizedText ? normalized : verbatim
    var done = 0
    var offset = 0
    if !trie.isEmpty, let base = bytes.baseAddress {
      while let match = trie.firstMatch(in: base, from: offset, end: bytes.count) {
        offset = match.end
        let token = tokens[Int(match.value)]
        if token.isSpecial && !parseSpecial { continue }
        if token.singleWord, touchesWord(base, match.start, match.end, bytes.count) { continue }
        var start = match.start
        var end = match.end
        if token.stripsLeft { start = max(Self.spaceStart(base, before: start), done) }
        if token.stripsRight { end = Self.spaceEnd(base, from: end, count: bytes.count) }
        if done < start { body(.text(done..<start)) }
        body(.token(token.id))
        // White space swallowed above may hold another token, which then still counts: the
        // search goes on behind the match, not behind the white space, as in the reference.
        done = end
      }
    }
    if done < bytes.count { body(.text(done..<bytes.count)) }
  }

  private func touchesWord(
    _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ count: Int
  ) -> Bool {
    if start > 0, CharacterClass.isWord(DecodedScalar(base, before: start, start: 0).scalar) {
      return true
    }
    return end < count && CharacterClass.isWord(DecodedScalar(base, at: end, end: count).scalar)
  }

  static func spaceStart(_ base: UnsafePointer<UInt8>, before end: Int) -> Int {
    var offset = end
    while offset > 0 {
      let decoded = DecodedScalar(base, before: offset, start: 0)
      if !decoded.scalar.properties.isWhitespace { break }
      offset -= decoded.length
    }
    return offset
  }

  static func spaceEnd(_ base: UnsafePointer<UInt8>, from start: Int, count: Int) -> Int {
    var offset = start
    while offset < count {
      let decoded = DecodedScalar(base, at: offset, end: count)
      if !decoded.scalar.properties.isWhitespace { break }
      offset += decoded.length
    }
    return offset
  }
}
