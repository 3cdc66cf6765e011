// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// What a corpus is like: how its characters and words follow one another, and which values the
/// signals take in texts of each length. Learnt by ``QualityLearner`` from the corpus itself; answers how
/// unusual a text is among texts of its length (Documentation/scores.md, "The quality model").
///
/// The sample is in two halves, by a bit of the hash of each text. A text is judged by the half that
/// it does not belong to, so that neither it nor a copy of it vouches for it.
package struct QualityModel: Sendable {
  package static let version = 1
  /// Halves of the sample.
  static let folds = 2

  /// What a half of the sample has come to.
  struct Fold: Sendable {
    var characters: CharacterModel
    var order: WordOrderModel
  }

  /// What is usual among the texts of up to so many words.
  struct Band: Sendable, Equatable {
    /// The longest text of the band; the last band has no end.
    var words: Int
    /// Of the mean -ln p of a character, nats.
    var nll: Center
    /// Of the mean gain of a word by the one before it, nats.
    var gain: Center
    /// Quantiles of the heuristic quality.
    var quality: [Double]
  }

  /// Median, and 1.4826 times the median distance from it: the standard deviation of normal values.
  struct Center: Sendable, Equatable {
    var median: Double
    var spread: Double

    func z(_ value: Double) -> Double { (value - median) / spread }
  }

  /// What the model finds in a text.
  package struct Judgement: Sendable {
    /// Mean -ln p of a character, nats.
    package var nll: Double?
    /// Mean gain of a word by the one before it, nats.
    package var gain: Double?
  }

  /// Quantiles 0, 1/32 … 1.
  static let quantiles = 33

  /// Different texts in the sample.
  var texts: Int
  /// Ids of the signals that the heuristic quality was made of.
  var signals: [String]
  /// Names of the tokens that stand for themselves.
  var frequentNames: [UInt64]
  var folds: [Fold]
  /// In order of `words`.
  var bands: [Band]
  /// Quantiles of the heuristic quality over all lengths.
  var quality: [Double]
  let frequent: WordSet

  init(
    texts: Int, signals: [String], frequentNames: [UInt64], folds: [Fold], bands: [Band],
    quality: [Double]
  ) {
    self.texts = texts
    self.signals = signals
    self.frequentNames = frequentNames
    self.folds = folds
    self.bands = bands
    self.quality = quality
    frequent = WordSet(names: frequentNames)
  }

  /// - Parameter hash: ``TextHash`` of the text.
  func judge(_ tokens: QualityTokens, hash: UInt64) -> Judgement {
    let fold = folds[Int(~hash & 1)]
    return Judgement(
      nll: fold.characters.nll(tokens.symbols), gain: fold.order.gain(tokens.tokens, frequent))
  }

  /// What the model finds in a text.
  package func likelihood(of text: String) -> Judgement {
    var tokens = QualityTokens()
    tokens.read(text)
    return judge(tokens, hash: TextHash.of(text))
  }

  func band(words: Int) -> Band {
    bands.first { words <= $0.words } ?? bands[bands.count - 1]
  }

  /// Q_m: near 1 for what is usual, near 0 for what is not. Too hard and too easy to foresee are both
  /// unusual (noise, boilerplate); of the order of words only the lack of it is.
  func quality(_ judgement: Judgement, words: Int) -> Double? {
    let band = band(words: words)
    var z = judgement.nll.map { abs(band.nll.z($0)) }
    if let gain = judgement.gain { z = max(z ?? 0, -band.gain.z(gain)) }
    return z.map { 1 / (1 + exp(1.5 * ($0 - 2))) }
  }

  /// The heuristic quality as if the text were of any length: the value that has the rank among all texts
  /// which `value` has among those of its length. 0 stays 0.
  func levelled(_ value: Double, words: Int) -> Double {
    if value <= 0 { return 0 }
    return QualityModel.value(at: QualityModel.rank(of: value, in: band(words: words).quality), in: quality)
  }

  /// Where `value` stands among quantiles, 0...1; the middle of where they are all equal to it.
  static func rank(of value: Double, in quantiles: [Double]) -> Double {
    let below = quantiles.firstIndex { $0 >= value } ?? quantiles.count
    let above = quantiles.firstIndex { $0 > value } ?? quantiles.count
    let steps = Double(quantiles.count - 1)
    if above > below { return (Double(below) + Double(above - 1)) / 2 / steps }
    if below == 0 { return 0 }
    if below == quantiles.count { return 1 }
    let (low, high) = (quantiles[below - 1], quantiles[below])
    return (Double(below - 1) + (value - low) / (high - low)) / steps
  }

  static func value(at rank: Double, in quantiles: [Double]) -> Double {
    let place = rank * Double(quantiles.count - 1)
    let index = min(quantiles.count - 2, max(0, Int(place)))
    let share = place - Double(index)
    return quantiles[index] + share * (quantiles[index + 1] - quantiles[index])
  }
}

/// A 64-bit name for a whole text, the same on every machine and in every run.
package enum TextHash {
  /// Of the text's UTF-8 bytes, eight at a time.
  package static func of(_ text: String) -> UInt64 {
    var text = text
    return text.withUTF8 { bytes in
      var hash = WordHash.mix(UInt64(bytes.count))
      var index = 0
      let raw = UnsafeRawBufferPointer(bytes)
      while index + 8 <= raw.count {
        let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        hash = WordHash.extending(hash, by: word)
        index += 8
      }
      var rest: UInt64 = 0
      while index < raw.count {
        rest = rest << 8 | UInt64(raw[index])
        index += 1
      }
      return WordHash.extending(hash, by: rest)
    }
  }
}
