// SPDX-License-Identifier: Apache-2.0

/// Byte-pair encoding as SentencePiece does it, by the scores of pieces (Llama 2, Phi-3, Mistral,
/// Gemma).
///
/// Spaces become U+2581; starting from characters, the neighbours whose union has the highest score
/// are joined, the leftmost on ties, until none is left. A character that no piece holds becomes the
/// tokens of its bytes, or the unknown token (one for a run) where the vocabulary has none for them.
struct SentencePieceModel: Sendable {
  /// U+2581, which stands for a space.
  static let space: [UInt8] = [0xe2, 0x96, 0x81]

  /// Pieces that text may become; not control tokens, not bytes.
  private let pieces: Vocabulary
  private let merges: MergeTable
  /// The token of each byte; -1 where there is none.
  let byteTokens: [Int32]
  private let unknown: Int32?
  /// A space is put before each stretch of text.
  let addsPrefix: Bool
  /// No piece goes on with a space after another character, so text can be cut before words.
  private let cutsBeforeSpaces: Bool

  /// A piece is joined from two others.
  struct Merge {
    var left: Int32
    var right: Int32
    var result: Int32
    var score: Float
  }

  init(
    pieces: Vocabulary, merges: [Merge], byteTokens: [Int32], unknown: Int32?, addsPrefix: Bool
  ) {
    self.pieces = pieces
    self.byteTokens = byteTokens
    self.unknown = unknown
    self.addsPrefix = addsPrefix
    var rank = 0
    var ranked: [(left: Int32, right: Int32, result: Int32, rank: Int)] = []
    ranked.reserveCapacity(merges.count)
    for (index, merge) in merges.enumerated() {
      if index > 0, merge.score != merges[index - 1].score { rank += 1 }
      ranked.append((merge.left, merge.right, merge.result, rank))
    }
    self.merges = MergeTable(ranked: ranked)
    cutsBeforeSpaces = (0..<pieces.size).allSatisfy { id in
      pieces.bytes(of: id).map { !SentencePieceModel.continuesWithSpace($0) } ?? true
    }
  }

  /// All ways to join a piece from two others, the highest score first.
  static func merges(of pieces: Vocabulary, scores: [Double]) -> [Merge] {
    var result: [Merge] = []
    for id in 0..<pieces.size {
      guard let piece = pieces.bytes(of: id) else { continue }
      piece.withUnsafeBytes { bytes in
        for cut in 1..<max(bytes.count, 1) where bytes[cut] & 0xc0 != 0x80 {
          guard let left = pieces.id(of: UnsafeRawBufferPointer(rebasing: bytes[..<cut])),
            let right = pieces.id(of: UnsafeRawBufferPointer(rebasing: bytes[cut...]))
          else { continue }
          result.append(
            Merge(left: left, right: right, result: Int32(id), score: Float(scores[id])))
        }
      }
    }
    // Equal scores keep their order, which decides nothing: the leftmost pair goes first.
    return result.enumerated()
      .sorted { ($1.element.score, $0.offset) < ($0.element.score, $1.offset) }.map(\.element)
  }

  private static func continuesWithSpace(_ piece: ArraySlice<UInt8>) -> Bool {
    var afterOther = false
    var rest = piece
    while !rest.isEmpty {
      if rest.starts(with: space) {
        if afterOther { return true }
        rest = rest.dropFirst(3)
      } else {
        afterOther = true
        rest = rest.dropFirst()
      }
    }
    return false
  }

  /// Appends the tokens of a stretch of text.
  func encode(
    _ text: UnsafeBufferPointer<UInt8>, into output: inout [Int32], using state: EncodingState
  ) {
    var escaped: [UInt8] = []
    escaped.reserveCapacity(text.count + text.count / 2 + 19)
    if addsPrefix { escaped += SentencePieceModel.space }
    for byte in text {
      if byte == 0x20 { escaped += SentencePieceModel.space } else { escaped.append(byte) }
    }
    escaped.withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return }
      var start = 0
      while start < bytes.count {
        let end = pieceEnd(base, from: start, count: bytes.count)
        encode(
          base + start, count: end - start, readable: bytes.count - start, into: &output,
          using: state)
        start = end
      }
    }
  }

  /// Where the word that starts at `start`, with the spaces before it, ends.
  private func pieceEnd(_ base: UnsafePointer<UInt8>, from start: Int, count: Int) -> Int {
    if !cutsBeforeSpaces { return min(count, start + BytePairModel.longestPiece) }
    var offset = start
    func isSpace(_ offset: Int) -> Bool {
      base[offset] == 0xe2 && offset + 2 < count && base[offset + 1] == 0x96
        && base[offset + 2] == 0x81
    }
    while offset < count, isSpace(offset) { offset += 3 }
    while offset < count, !isSpace(offset) { offset += 1 }
    return offset
  }

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

  private func merge(
    _ start: UnsafePointer<UInt8>, _ count: Int, _ output: inout [Int32], _ state: EncodingState
  ) {
    // A character without a piece is a negative symbol, below the merger's own mark -1.
    var missing: [Range<Int>] = []
    state.merger.symbols.removeAll(keepingCapacity: true)
    var offset = 0
    while offset < count {
      let length = DecodedScalar(start, at: offset, end: count).length
      let bytes = UnsafeRawBufferPointer(start: start + offset, count: length)
      if let id = pieces.id(of: bytes) {
        state.merger.symbols.append(id)
      } else {
        state.merger.symbols.append(-2 - Int32(missing.count))
        missing.append(offset..<offset + length)
      }
      offset += length
    }
    state.merger.run(merges)
    var afterUnknown = false
    for symbol in state.merger.symbols {
      if symbol >= 0 {
        output.append(symbol)
        afterUnknown = false
        continue
      }
      let range = missing[-2 - Int(symbol)]
      if range.allSatisfy({ byteTokens[Int(start[$0])] >= 0 }) {
        for index in range { output.append(byteTokens[Int(start[index])]) }
      } else if let unknown, !afterUnknown {
        output.append(unknown)
        afterUnknown = true
      }
    }
  }

  /// Appends the bytes that a token stands for.
  func decode(_ token: ArraySlice<UInt8>, id: Int32, into output: inout [UInt8]) {
    if let byte = byteTokens.firstIndex(of: id), token.starts(with: "<0x".utf8) {
      output.append(UInt8(byte))
      return
    }
    var rest = token
    while let byte = rest.first {
      if rest.starts(with: SentencePieceModel.space) {
        output.append(0x20)
        rest = rest.dropFirst(3)
      } else {
        output.append(byte)
        rest = rest.dropFirst()
      }
    }
  }
}
