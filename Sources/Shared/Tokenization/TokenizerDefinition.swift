// SPDX-License-Identifier: Apache-2.0

/// All that a file says about a tokenizer, whatever its format: what the readers hand over to
/// ``Tokenizer``.
struct TokenizerDefinition {
  /// Tokens as written in the file.
  var vocabulary = Vocabulary()
  /// Merges as ids, in order of rank.
  var merges: [(left: Int32, right: Int32, result: Int32)] = []
  var unknown: Int32?
  var fusesUnknown = false
  var ignoresMerges = false
  var normalizer = Normalizer.none
  var splitRule = SplitRule.gpt2
  /// A space is put before text that does not begin with one.
  var addsPrefixSpace = false
  /// Takes the place of merges, split and normalizer.
  var sentencePiece: SentencePieceModel?
  var addedTokens: [AddedToken] = []
  var beginOfText: Int32?
  var endOfText: Int32?
  var padding: Int32?
  var addsBeginOfText = false
  var addsEndOfText = false
  /// The model's chat template, in Jinja.
  var chatTemplate: String?
}
