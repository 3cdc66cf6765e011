// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Records

/// Learns a ``QualityModel`` from the texts of a corpus, seen once in any order.
///
/// It learns from a sample: the different texts with the smallest hashes, as many as fit into a number
/// of bytes, so that memory is bounded and the order of the texts does not count.
package final class QualityLearner {
  /// Below this a model would know its own texts only.
  package static let minimumTexts = 100
  /// Texts that a band of lengths is made of, and the most bands.
  private static let bandTexts = 60
  private static let bandLimit = 16
  /// Scalars of a text that are looked at.
  private static let textScalars = 1 << 14

  private let sampleBytes: Int
  private var sample: [(hash: UInt64, text: String)] = []
  private var hashes: Set<UInt64> = []
  private var bytes = 0
  private var largestHash = UInt64.max

  /// - Parameter sampleBytes: bytes of text to learn from.
  package init(sampleBytes: Int = 16 << 20) { self.sampleBytes = sampleBytes }

  /// Shows one text of the corpus.
  package func add(_ text: String, hash: UInt64) {
    if hash > largestHash || text.isEmpty || !hashes.insert(hash).inserted { return }
    let kept =
      text.utf8.count <= Self.textScalars
      ? text : String(String.UnicodeScalarView(text.unicodeScalars.prefix(Self.textScalars)))
    sample.append((hash, kept))
    bytes += kept.utf8.count
    if bytes > 2 * sampleBytes { trim() }
  }

  /// Keeps the smallest hashes.
  private func trim() {
    sample.sort { $0.hash < $1.hash }
    var total = 0
    var count = 0
    while count < sample.count, total + sample[count].text.utf8.count <= sampleBytes {
      total += sample[count].text.utf8.count
      count += 1
    }
    if count < sample.count {
      largestHash = sample[count].hash
      for dropped in sample[count...] { hashes.remove(dropped.hash) }
      sample.removeLast(sample.count - count)
    }
    bytes = total
  }

  /// Makes the model.
  ///
  /// - Parameter options: with the signals that make the heuristic quality.
  /// - Throws: ``ScoringError/tooFewTexts(found:)``.
  package func learn(
    _ options: RecordScorer.Options, threads: Int
  ) throws(ScoringError) -> QualityModel {
    trim()
    if sample.count < Self.minimumTexts { throw .tooFewTexts(found: sample.count) }
    let frequentNames = frequentTokens()
    let frequent = WordSet(names: frequentNames)
    let halves = (0..<QualityModel.folds).map { fold in
      sample.filter { Int($0.hash & 1) == fold }.map(\.text)
    }
    let folds = Parallel.map(QualityModel.folds, threads: threads, grain: 1) {
    } body: { _, index in
      Self.fold(halves[index], frequent)
    }
    var model = QualityModel(
      texts: sample.count, signals: options.signals.map(\.id), frequentNames: frequentNames,
      folds: folds, bands: [], quality: [])
    calibrate(&model, options, threads: threads)
    return model
  }

  /// The names of the tokens that occur most often, the most frequent first.
  private func frequentTokens() -> [UInt64] {
    var counts: [UInt64: Int] = [:]
    var tokens = QualityTokens()
    for (_, text) in sample {
      tokens.read(text)
      for token in tokens.tokens { counts[token.name, default: 0] += 1 }
    }
    let ordered = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    return ordered.prefix(WordOrderModel.frequentTokens).map(\.key)
  }

  private static func fold(_ texts: [String], _ frequent: WordSet) -> QualityModel.Fold {
    let (characters, words) = (NGramCounts(), NGramCounts())
    var tokens = QualityTokens()
    for text in texts {
      tokens.read(text)
      CharacterModel.count(tokens.symbols, in: characters)
      WordOrderModel.count(tokens.tokens, frequent, in: words)
    }
    return QualityModel.Fold(
      characters: CharacterModel.make(of: characters) { body in
        for text in texts {
          tokens.read(text)
          body(tokens.symbols)
        }
      },
      order: WordOrderModel.make(of: words, frequent) { body in
        for text in texts {
          tokens.read(text)
          body(tokens.tokens)
        }
      })
  }

  private struct Observation {
    var words = 0
    var judgement = QualityModel.Judgement()
    var quality: Double?
  }

  /// Finds what is usual in texts of each length.
  private func calibrate(
    _ model: inout QualityModel, _ options: RecordScorer.Options, threads: Int
  ) {
    var options = options
    options.qualityModel = nil
    let (sample, found) = (sample, model)
    var observations = Parallel.map(sample.count, threads: threads) {
      Observer(options)
    } body: { observer, index in
      observer.observe(sample[index].text, hash: sample[index].hash, found)
    }
    observations.sort { $0.words < $1.words }
    model.quality = Self.quantiles(observations.compactMap(\.quality))
    let count = max(1, min(Self.bandLimit, observations.count / Self.bandTexts))
    var start = 0
    for band in 1...count {
      var end = band * observations.count / count
      // Texts of equal length share a band.
      while end > start, end < observations.count, observations[end].words == observations[end - 1].words {
        end += 1
      }
      if end <= start { continue }
      model.bands.append(Self.band(observations[start..<end]))
      start = end
    }
  }

  private static func band(_ observations: ArraySlice<Observation>) -> QualityModel.Band {
    QualityModel.Band(
      words: observations.last?.words ?? 0,
      nll: center(observations.compactMap(\.judgement.nll)),
      gain: center(observations.compactMap(\.judgement.gain)),
      quality: quantiles(observations.compactMap(\.quality)))
  }

  static func center(_ values: [Double]) -> QualityModel.Center {
    let median = middle(values)
    let spread = 1.4826 * middle(values.map { abs($0 - median) })
    return QualityModel.Center(median: median, spread: max(spread, 1e-3))
  }

  private static func middle(_ values: [Double]) -> Double {
    if values.isEmpty { return 0 }
    let ordered = values.sorted()
    return (ordered[(ordered.count - 1) / 2] + ordered[ordered.count / 2]) / 2
  }

  private static func quantiles(_ values: [Double]) -> [Double] {
    let ordered = values.isEmpty ? [1] : values.sorted()
    let last = QualityModel.quantiles - 1
    return (0...last).map { ordered[$0 * (ordered.count - 1) / last] }
  }

  /// What a thread needs to look at texts.
  private final class Observer {
    private var scorer: RecordScorer
    private var tokens = QualityTokens()

    init(_ options: RecordScorer.Options) { scorer = RecordScorer(options) }

    func observe(_ text: String, hash: UInt64, _ model: QualityModel) -> Observation {
      let score = scorer.score(text, tokens: nil)
      tokens.read(text)
      return Observation(
        words: score.words ?? 0, judgement: model.judge(tokens, hash: hash),
        quality: score.quality)
    }
  }
}
