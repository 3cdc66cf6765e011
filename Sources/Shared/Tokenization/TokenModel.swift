// SPDX-License-Identifier: Apache-2.0

/// What turns a piece of text into tokens.
enum TokenModel: Sendable {
  /// The model sees bytes, written in the ``ByteAlphabet``.
  case bytePairs(BytePairModel)
  case characterPairs(CharacterPairModel)
  case unigram(UnigramModel)

  /// The token of each byte where characters without a piece become bytes; nil for byte-level
  /// models.
  var byteTokens: [Int32]? {
    switch self {
    case .bytePairs: nil
    case .characterPairs(let model): model.byteTokens
    case .unigram(let model): model.byteTokens
    }
  }
}
