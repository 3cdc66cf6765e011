// SPDX-License-Identifier: Apache-2.0
import Streams

extension TokenizerDefinition {
  /// What is kept of a definition, beside what encoding uses, to tell one tokenizer from another.
  struct Identity: Sendable {
    private let merges: [(left: Int32, right: Int32, result: Int32, rank: Int)]
    private let scores: [Double]
    private let settings: String

    init(_ definition: TokenizerDefinition) {
      merges = definition.merges
      scores = definition.kind == .unigram ? definition.scores : []
      settings =
        "\(definition.kind.rawValue) \(definition.unknown ?? -1) \(definition.fusesUnknown) "
        + "\(definition.ignoresMerges) \(definition.byteTokens ?? []) \(definition.fixedTokens)"
    }

    /// SHA-256 over all that decides about ids.
    func digest(
      _ vocabulary: Vocabulary, _ addedTokens: [AddedToken], _ normalizer: Normalizer,
      _ preTokenizer: PreTokenizer
    ) -> String {
      let digest = ContentDigest()
      var block: [UInt8] = []
      func number(_ value: Int) {
        withUnsafeBytes(of: Int64(value).littleEndian) { block.append(contentsOf: $0) }
      }
      vocabulary.forEach { id, token in
        number(Int(id))
        number(token.count)
        block.append(contentsOf: token)
      }
      number(-1)
      for merge in merges {
        number(Int(merge.left))
        number(Int(merge.right))
        number(merge.rank)
      }
      number(-2)
      for score in scores { number(Int(bitPattern: UInt(score.bitPattern))) }
      number(-3)
      for token in addedTokens {
        number(Int(token.id))
        number(token.content.count)
        block.append(contentsOf: token.content)
        let flags = [
          token.isSpecial, token.isNormalized && normalizer != .none, token.singleWord,
          token.stripsLeft, token.stripsRight,
        ]
        block.append(contentsOf: flags.map { $0 ? 1 : 0 })
      }
      digest.update(block)
      digest.update("\(normalizer.description) \(preTokenizer.description) \(settings)")
      return digest.hexadecimal()
    }
  }
}
