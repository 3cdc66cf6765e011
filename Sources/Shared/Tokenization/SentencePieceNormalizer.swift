// SPDX-License-Identifier: Apache-2.0

/// What SentencePiece does to a text before it looks for pieces.
///
/// Replaces what its table names, drops spaces if told to, puts a space in front (or behind), and
/// writes spaces as U+2581. User-defined pieces are left as they stand.
struct SentencePieceNormalizer: Sendable, Equatable {
  var table: ReplacementTable?
  var addsPrefix = true
  /// Cuts spaces off both ends and leaves one of several.
  var removesExtraSpaces = true
  var escapesSpaces = true
  /// The space is put behind the text instead of in front of it.
  var marksWordEnds = false
  /// Texts that no replacement touches.
  var kept: [[UInt8]] = [] { didSet { keptTrie = SentencePieceNormalizer.trie(kept) } }
  private var keptTrie = ByteTrie()

  private static func trie(_ texts: [[UInt8]]) -> ByteTrie {
    var trie = ByteTrie()
    for text in texts { trie.insert(text, value: 0) }
    return trie
  }

  static func == (left: SentencePieceNormalizer, right: SentencePieceNormalizer) -> Bool {
    left.description == right.description
  }

  var description: String {
    "\(table?.digest ?? "identity"),\(addsPrefix),\(removesExtraSpaces),\(escapesSpaces),"
      + "\(marksWordEnds),\(kept)"
  }

  func apply(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    guard let base = text.baseAddress else { return [] }
    let space = escapesSpaces ? SpaceMark.bytes : [0x20]
    var start = 0
    if removesExtraSpaces {
      // What is replaced by a space counts as one.
      while start < text.count {
        let (length, replacement) = step(base, start, text.count)
        guard replacement.map({ $0.elementsEqual([0x20]) }) ?? (length == 1 && base[start] == 0x20)
        else { break }
        start += length
      }
    }
    if start == text.count { return [] }
    var result: [UInt8] = []
    result.reserveCapacity(text.count + text.count / 2 + 8)
    if addsPrefix, !marksWordEnds { result += space }
    var afterSpace = removesExtraSpaces
    func append(_ bytes: some Collection<UInt8>) {
      var last: UInt8?
      for byte in bytes {
        if byte == 0x20, last == nil, afterSpace { continue }
        last = byte
        if byte == 0x20 { result += space } else { result.append(byte) }
      }
      if removesExtraSpaces, let last { afterSpace = last == 0x20 }
    }
    while start < text.count {
      let (length, replacement) = step(base, start, text.count)
      if let replacement {
        append(replacement)
      } else {
        append(UnsafeBufferPointer(rebasing: text[start..<start + length]))
      }
      start += length
    }
    if removesExtraSpaces {
      while result.suffix(space.count).elementsEqual(space) { result.removeLast(space.count) }
    }
    if addsPrefix, marksWordEnds { result += space }
    return result
  }

  /// How many bytes of the text are looked at together, and what takes their place, if anything.
  @inline(__always)
  private func step(
    _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int
  ) -> (length: Int, replacement: ArraySlice<UInt8>?) {
    if !keptTrie.isEmpty, let kept = keptTrie.longestMatch(in: base, from: start, end: end) {
      return (kept.end - start, nil)
    }
    if let match = table?.match(base, from: start, end: end, longest: true) {
      return (match.length, match.text)
    }
    let decoded = DecodedScalar(base, at: start, end: end)
    if decoded.value == 0xfffd, decoded.length == 1 { return (1, [0xef, 0xbf, 0xbd]) }
    return (decoded.length, nil)
  }
}
