// SPDX-License-Identifier: Apache-2.0

/// Byte-pair encoding that starts from characters (Llama 2, Mistral, Phi-3, Gemma).
///
/// Merges are given by rank, or made of the scores of pieces as SentencePiece does it: the
/// neighbours whose union has the highest score are joined, the leftmost on ties. A character that
/// no piece holds becomes the tokens of its bytes, or the unknown token where the vocabulary has none for
/// them.
struct CharacterPairModel: Sendable {
  /// What text may become; without control tokens and bytes where the file tells them apart.
  private let pieces: Vocabulary
  private let merges: MergeTable
  /// The token of each byte; -1 where there is none.
  let byteTokens: [Int32]
  private let unknown: Int32?
  /// One unknown token stands for a run of unknown characters.
  private let fusesUnknown: Bool
  /// With `ignore_merges`: a whole piece that is a token is taken.
  private let takesWholePieces: Bool
  /// Pieces that are found in text before anything merges, the longest at each place.
  private let fixed: ByteTrie
  /// The token of each character below U+10000; -1 where there is none.
  private let singles: [Int32]
  /// No piece goes on with U+2581 after another character, so text can be cut before words.
  let cutsBeforeSpaces: Bool

  struct Options {
    var byteTokens = [Int32](repeating: -1, count: 256)
    var unknown: Int32?
    var fusesUnknown = true
    var takesWholePieces = false
    /// Tokens that no merge touches (SentencePiece's user-defined symbols).
    var fixed: [Int32] = []
  }

  init(pieces: Vocabulary, merges: MergeTable, options: Options) {
    self.pieces = pieces
    self.merges = merges
    byteTokens = options.byteTokens
    unknown = options.unknown
    fusesUnknown = options.fusesUnknown
    takesWholePieces = options.takesWholePieces
    var fixed = ByteTrie()
    for id in options.fixed {
      if let piece = pieces.bytes(of: Int(id)) { fixed.insert(piece, value: id) }
    }
    self.fixed = fixed
    var singles = [Int32](repeating: -1, count: 0x10000)
    var cuts = true
    pieces.forEach { id, bytes in
      guard let base = bytes.baseAddress, bytes.count > 0 else { return }
      if bytes.count <= 3 {
        let decoded = DecodedScalar(base, at: 0, end: bytes.count)
        if decoded.length == bytes.count, decoded.value < 0x10000 {
          singles[Int(decoded.value)] = id
        }
      } else if cuts, SpaceMark.standsAfterOther(bytes) {
        cuts = false
      }
    }
    self.singles = singles
    cutsBeforeSpaces = cuts && singles[0x2581] >= 0
  }

  /// Appends the tokens of a piece, which may be cut further where no merge crosses.
  func encode(
    _ text: UnsafeBufferPointer<UInt8>, into output: inout [Int32], using state: EncodingState
  ) {
    guard let base = text.baseAddress else { return }
    if takesWholePieces, let id = pieces.id(of: UnsafeRawBufferPointer(text)) {
      output.append(id)
      return
    }
    var start = 0
    while start < text.count {
      let end = wordEnd(base, from: start, count: text.count)
      encode(
        base + start, count: end - start, readable: text.count - start, into: &output,
        using: state)
      start = end
    }
  }

  /// Where the word that starts at `start`, with the spaces before it, ends.
  @inline(__always)
  private func wordEnd(_ base: UnsafePointer<UInt8>, from start: Int, count: Int) -> Int {
    if !cutsBeforeSpaces { return min(count, start + BytePairModel.longestPiece) }
    var offset = start
    while SpaceMark.stands(at: offset, base, count) { offset += SpaceMark.length }
    while offset < count, !SpaceMark.stands(at: offset, base, count) { offset += 1 }
    return offset
  }

  @inline(__always)
  private func encode(
    _ start: UnsafePointer<UInt8>, count: Int, readable: Int, into output: inout [Int32],
    using state: EncodingState
  ) {
    if count > PieceCache.longestPiece { return merge(start, count, &output, state) }
    let key = PieceCache.Key(start, count: count, readable: readable)
    if state.cache.append(key, to: &output) { return }
    let first = output.count
    merge(start, count, &output, state)
    state.cache.remember(key, output[first...])
  }

  /// The token of a character, or -1.
  @inline(__always)
  private func single(_ start: UnsafePointer<UInt8>, _ decoded: DecodedScalar) -> Int32 {
    if decoded.value < 0x10000 {
      // A byte that is no UTF-8 reads as U+FFFD, which may be a token of its own.
      if decoded.value == 0xfffd, decoded.length == 1 { return -1 }
      return singles[Int(decoded.value)]
    }
    return pieces.id(of: UnsafeRawBufferPointer(start: start, count: decoded.length)) ?? -1
  }

  @inline(never)
  private func merge(
    _ start: UnsafePointer<UInt8>, _ count: Int, _ output: inout [Int32], _ state: EncodingState
  ) {
    // What takes no part in merging is a negative symbol, below the merger's own mark -1.
    var aside: [Aside] = []
    state.merger.symbols.removeAll(keepingCapacity: true)
    var offset = 0
    while offset < count {
      if !fixed.isEmpty, let match = fixed.longestMatch(in: start, from: offset, end: count) {
        state.merger.symbols.append(-2 - Int32(aside.count))
        aside.append(Aside(range: offset..<match.end, token: match.value))
        offset = match.end
        continue
      }
      let decoded = DecodedScalar(start, at: offset, end: count)
      let token = single(start + offset, decoded)
      if token >= 0 {
        state.merger.symbols.append(token)
      } else {
        state.merger.symbols.append(-2 - Int32(aside.count))
        aside.append(Aside(range: offset..<offset + decoded.length, token: nil))
      }
      offset += decoded.length
    }
    state.merger.run(merges)
    if aside.isEmpty {
      output.append(contentsOf: state.merger.symbols)
    } else {
      append(state.merger.symbols, aside, start, &output)
    }
  }

  private struct Aside {
    var range: Range<Int>
    /// The token, or nil for a character that no piece holds.
    var token: Int32?
  }

  private func append(
    _ symbols: [Int32], _ aside: [Aside], _ start: UnsafePointer<UInt8>, _ output: inout [Int32]
  ) {
    var afterUnknown = false
    for symbol in symbols {
      var token = symbol
      if symbol < 0 {
        let entry = aside[-2 - Int(symbol)]
        guard let fixed = entry.token else {
          if entry.range.allSatisfy({ byteTokens[Int(start[$0])] >= 0 }) {
            for index in entry.range { output.append(byteTokens[Int(start[index])]) }
            afterUnknown = false
          } else if let unknown, !(fusesUnknown && afterUnknown) {
            output.append(unknown)
            afterUnknown = true
          }
          continue
        }
        token = fixed
      }
      output.append(token)
      afterUnknown = false
    }
  }
}

/// U+2581, which stands for a space.
enum SpaceMark {
  static let bytes: [UInt8] = [0xe2, 0x96, 0x81]
  static let length = 3

  @inline(__always)
  static func stands(at offset: Int, _ base: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    offset + 2 < count && base[offset] == 0xe2 && base[offset + 1] == 0x96
      && base[offset + 2] == 0x81
  }

  /// Whether a mark stands behind something that is none.
  static func standsAfterOther(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let base = bytes.baseAddress else { return false }
    var offset = 0
    while stands(at: offset, base, bytes.count) { offset += length }
    while offset < bytes.count {
      if stands(at: offset, base, bytes.count) { return true }
      offset += 1
    }
    return false
  }
}
