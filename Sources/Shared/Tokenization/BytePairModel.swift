// SPDX-License-Identifier: Apache-2.0

/// Byte-level byte-pair encoding of one piece of text: its bytes are the first symbols.
///
/// A byte that the vocabulary lacks becomes the unknown token (one for a run of them if
/// `fusesUnknown`), or nothing where there is no unknown token, as in the reference.
struct BytePairModel: Sendable {
  /// The token of each single byte; -1 where the vocabulary has none.
  let byteTokens: [Int32]
  let merges: MergeTable
  let unknown: Int32?
  let fusesUnknown: Bool
  /// With `ignore_merges`: tokens by the bytes they stand for; a whole piece found here is taken.
  let wholePieces: Vocabulary?

  /// Longer pieces are cut here, so that positions fit in 32 bits.
  static let longestPiece = 1 << 30

  /// - Parameters:
  ///   - vocabulary: tokens written in the ``ByteAlphabet``.
  init(
    vocabulary: Vocabulary, merges: MergeTable,
    unknown: Int32?, fusesUnknown: Bool, ignoresMerges: Bool
  ) {
    byteTokens = (UInt8.min...UInt8.max).map { byte in
      ByteAlphabet.character(of: byte).withUnsafeBytes { vocabulary.id(of: $0) ?? -1 }
    }
    self.merges = merges
    self.unknown = unknown
    self.fusesUnknown = fusesUnknown
    wholePieces = ignoresMerges ? BytePairModel.byteForms(of: vocabulary) : nil
  }

  /// The tokens keyed by the bytes that their characters stand for. Tokens with characters outside
  /// of the alphabet (which no piece can equal) are left out.
  private static func byteForms(of vocabulary: Vocabulary) -> Vocabulary {
    var forms = Vocabulary(expectedCount: vocabulary.size)
    var bytes: [UInt8] = []
    for id in 0..<vocabulary.size {
      guard let token = vocabulary.bytes(of: id), !token.isEmpty else { continue }
      bytes.removeAll(keepingCapacity: true)
      guard token.withUnsafeBytes({ ByteAlphabet.decode($0, into: &bytes) }) else { continue }
      // Different tokens have different byte forms, so no insertion is refused.
      bytes.withUnsafeBytes { try? forms.insert($0, id: id) }
    }
    return forms
  }

  /// Appends the tokens of one piece.
  ///
  /// - Parameters:
  ///   - start: the piece's first byte.
  ///   - count: its length in bytes, at least 1.
  ///   - readable: bytes that may be read from `start` on.
  @inline(__always)
  func encode(
    _ start: UnsafePointer<UInt8>, count: Int, readable: Int, into output: inout [Int32],
    using state: EncodingState
  ) {
    if count == 1, byteTokens[Int(start[0])] >= 0 {
      output.append(byteTokens[Int(start[0])])
      return
    }
    if count > PieceCache.longestPiece {
      merge(start, count: count, into: &output, using: state)
      return
    }
    let key = PieceCache.Key(start, count: count, readable: readable)
    if state.cache.append(key, to: &output) { return }
    let first = output.count
    merge(start, count: count, into: &output, using: state)
    state.cache.remember(key, output[first...])
  }

  @inline(never)
  private func merge(
    _ start: UnsafePointer<UInt8>, count: Int, into output: inout [Int32],
    using state: EncodingState
  ) {
    var offset = 0
    while count - offset > BytePairModel.longestPiece {
      mergePiece(start + offset, BytePairModel.longestPiece, &output, state)
      offset += BytePairModel.longestPiece
    }
    mergePiece(start + offset, count - offset, &output, state)
  }

  private func mergePiece(
    _ start: UnsafePointer<UInt8>, _ count: Int, _ output: inout [Int32], _ state: EncodingState
  ) {
    if let wholePieces,
      let token = wholePieces.id(of: UnsafeRawBufferPointer(start: start, count: count))
    {
      output.append(token)
      return
    }
    state.merger.symbols.removeAll(keepingCapacity: true)
    var afterUnknown = false
    for index in 0..<count {
      let token = byteTokens[Int(start[index])]
      if token >= 0 {
        state.merger.symbols.append(token)
        afterUnknown = false
      } else if let unknown, !(fusesUnknown && afterUnknown) {
        state.merger.symbols.append(unknown)
        afterUnknown = true
      }
    }
    state.merger.run(merges)
    output.append(contentsOf: state.merger.symbols)
  }
}

/// Memory that encoding reuses: the symbols being merged, and remembered pieces.
///
/// Used by one call at a time, handed out by ``EncodingStatePool``; hence the unchecked promise.
final class EncodingState: @unchecked Sendable {
  var merger = PairMerger()
  var lattice = UnigramModel.Lattice()
  let cache = PieceCache()
}
