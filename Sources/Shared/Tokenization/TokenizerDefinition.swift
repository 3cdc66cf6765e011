// SPDX-License-Identifier: Apache-2.0

/// All that a file says about a tokenizer, whatever its format: what the readers hand over to
/// ``Tokenizer``.
struct TokenizerDefinition {
  /// Tokens as written in the file.
  var vocabulary = Vocabulary()
  var kind = Kind.bytePairs
  /// Merges as ids; of two merges of one pair the later one counts, of equal ranks the leftmost.
  var merges: [(left: Int32, right: Int32, result: Int32, rank: Int)] = []
  /// Scores by id (``Kind/unigram``).
  var scores: [Double] = []
  /// What text may become, where that is not the whole vocabulary.
  var pieces: Vocabulary?
  /// Tokens of single bytes, for characters without a piece; nil: none.
  var byteTokens: [Int32]?
  /// Tokens that are found in text before anything merges.
  var fixedTokens: [Int32] = []
  /// Scores are added in single precision.
  var roundsToSingle = false
  var unknown: Int32?
  var fusesUnknown = false
  var ignoresMerges = false
  var normalizer = Normalizer.none
  var preTokenizer = PreTokenizer()
  var addedTokens: [AddedToken] = []
  var beginOfText: Int32?
  var endOfText: Int32?
  var padding: Int32?
  var addsBeginOfText = false
  var addsEndOfText = false
  /// The model's chat template, in Jinja.
  var chatTemplate: String?

  enum Kind: String {
    case bytePairs = "byte-pairs"
    case characterPairs = "character-pairs"
    case unigram
  }

  /// The rule that alone cuts the text; readers of byte-level vocabularies set it.
  mutating func split(by rule: SplitRule) {
    preTokenizer.steps = [.split(.rule(rule), .isolated, inverted: false)]
  }

  /// The model that the definition describes.
  func model() -> TokenModel {
    let bytes = byteTokens ?? [Int32](repeating: -1, count: 256)
    switch kind {
    case .bytePairs:
      return .bytePairs(
        BytePairModel(
          vocabulary: vocabulary, merges: MergeTable(ranked: merges), unknown: unknown,
          fusesUnknown: fusesUnknown, ignoresMerges: ignoresMerges))
    case .characterPairs:
      return .characterPairs(
        CharacterPairModel(
          pieces: pieces ?? vocabulary, merges: MergeTable(ranked: merges),
          options: CharacterPairModel.Options(
            byteTokens: bytes, unknown: unknown, fusesUnknown: fusesUnknown,
            takesWholePieces: ignoresMerges, fixed: fixedTokens)))
    case .unigram:
      let pieces = pieces ?? vocabulary
      var lowest = 0.0
      pieces.forEach { id, _ in lowest = min(lowest, scores[Int(id)]) }
      return .unigram(
        UnigramModel(
          pieces: pieces, scores: scores, lowest: lowest, unknown: unknown, byteTokens: bytes,
          roundsToSingle: roundsToSingle))
    }
  }
}
