// SPDX-License-Identifier: Apache-2.0

/// The merges that the scores of pieces mean.
enum PieceScores {
  /// All ways to join a piece from two others; the highest score first, equal scores with one rank,
  /// so that the leftmost pair goes first.
  static func merges(
    of pieces: Vocabulary, scores: [Double]
  ) -> [(left: Int32, right: Int32, result: Int32, rank: Int)] {
    var result: [(left: Int32, right: Int32, result: Int32, rank: Int)] = []
    result.reserveCapacity(pieces.size * 2)
    for id in ranking(pieces, scores) {
      guard let piece = pieces.bytes(of: Int(id.token)) else { continue }
      piece.withUnsafeBytes { bytes in
        for cut in 1..<max(bytes.count, 1) where bytes[cut] & 0xc0 != 0x80 {
          guard let left = pieces.id(of: UnsafeRawBufferPointer(rebasing: bytes[..<cut])),
            let right = pieces.id(of: UnsafeRawBufferPointer(rebasing: bytes[cut...]))
          else { continue }
          result.append((left, right, id.token, id.rank))
        }
      }
    }
    return result
  }

  /// Pieces by descending score.
  private static func ranking(
    _ pieces: Vocabulary, _ scores: [Double]
  ) -> [(token: Int32, rank: Int)] {
    // Files list most pieces in order already, so sorting is cheap.
    let order = (0..<min(pieces.size, scores.count)).sorted { (scores[$1], $0) < (scores[$0], $1) }
    var rank = 0
    return order.enumerated().map { index, id in
      // SentencePiece compares single-precision numbers.
      if index > 0, Float(scores[id]) != Float(scores[order[index - 1]]) { rank += 1 }
      return (Int32(id), rank)
    }
  }
}
