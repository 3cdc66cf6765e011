// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// How much a word tells about the next one: ln p(b | a) / p(b), averaged over the neighbours of a text.
/// Text in order has a mean well above 0; the same words in any order have one of about 0 or less.
///
/// The most frequent tokens of the sample stand for themselves, all others for their endings, so that a
/// few thousand texts suffice.
struct WordOrderModel: Sendable {
  /// Tokens that stand for themselves.
  static let frequentTokens = 400

  let table: BackoffTable

  init(_ table: BackoffTable) { self.table = table }

  /// Name of the context that all tokens follow.
  private static let root: UInt64 = 0x51ed_270b_9f3a_6c21

  private static func pair(_ a: UInt64, _ b: UInt64) -> UInt64 { WordHash.extending(a, by: b) }

  static func name(_ token: QualityTokens.Token, _ frequent: WordSet) -> UInt64 {
    frequent.contains(token.name) ? token.name : token.ending
  }

  static func count(_ tokens: [QualityTokens.Token], _ frequent: WordSet, in counts: NGramCounts) {
    var last: UInt64?
    for token in tokens {
      let name = name(token, frequent)
      counts.add(root, after: nil)
      counts.add(name, after: root)
      if let last { counts.add(pair(last, name), after: last) }
      last = name
    }
  }

  /// - Parameter texts: calls its argument with each text that was counted.
  static func make(
    of counts: NGramCounts, _ frequent: WordSet, texts: (([QualityTokens.Token]) -> Void) -> Void
  ) -> WordOrderModel {
    // Names of pairs do not tell what they are made of: what a pair is worth is found where it occurs.
    var gains: [UInt64: Double] = [:]
    let all = counts.entry(root)
    texts { tokens in
      var last: UInt64?
      for token in tokens {
        let name = name(token, frequent)
        if let last, let all, let alone = counts.entry(name) {
          let pair = pair(last, name)
          let plain = Double(alone.count) / Double(all.count)
          if let p = counts.probability(pair, after: last, shorter: plain) {
            gains[pair] = log(p / plain)
          }
        }
        last = name
      }
    }
    var table = BackoffTable(expecting: counts.used)
    counts.forEach { entry in
      table.insert(entry.name, value: gains[entry.name] ?? 0, cost: -log(entry.rest))
    }
    return WordOrderModel(table)
  }

  /// Mean gain of a token by the one before it, nats; nil for fewer than two tokens.
  func gain(_ tokens: [QualityTokens.Token], _ frequent: WordSet) -> Double? {
    if tokens.count < 2 { return nil }
    let units = table.withReader { reader in
      var sum = 0
      var last = WordOrderModel.name(tokens[0], frequent)
      for index in 1..<tokens.count {
        let name = WordOrderModel.name(tokens[index], frequent)
        if let entry = reader.entry(WordOrderModel.pair(last, name)) {
          sum &+= BackoffTable.Reader.value(of: entry)
        } else if let entry = reader.entry(last) {
          sum &-= BackoffTable.Reader.cost(of: entry)
        }
        last = name
      }
      return sum
    }
    return Double(units) / BackoffTable.unitsPerNat / Double(tokens.count - 1)
  }
}
