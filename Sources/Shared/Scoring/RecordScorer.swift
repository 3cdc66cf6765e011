// SPDX-License-Identifier: Apache-2.0
package import Records

/// What the tokenizer says of a record.
package struct TokenCounts: Sendable, Equatable {
  /// Tokens of the whole record, before the context cuts its end off.
  package var tokens: Int
  /// Targets that are left within the context.
  package var targetTokens: Int
  /// Targets that the context cuts off.
  package var truncatedTargetTokens: Int

  package init(tokens: Int, targetTokens: Int, truncatedTargetTokens: Int) {
    self.tokens = tokens
    self.targetTokens = targetTokens
    self.truncatedTargetTokens = truncatedTargetTokens
  }
}

/// Scores records, one after the other; keeps working storage, so that each thread has its own.
package struct RecordScorer: ~Copyable {
  package struct Options: Sendable {
    package var signals: [any Signal] = SignalCatalog.quality
    /// The window C of the length score.
    package var context = 2048
    /// The exponent a of the length score in the dual score.
    package var lengthWeight = 0.5
    /// Judges texts by the corpus that they are from; nil is quality by the signals alone.
    package var qualityModel: QualityModel?
    /// The exponent of the model's term in the quality.
    package var modelWeight = 0.5

    package init() {}

    /// One of the signals says something about quality.
    var makesQuality: Bool { signals.contains { $0.families.contains(.quality) } }
    /// One of the signals says how clear the language is.
    var tellsLanguage: Bool { signals.contains { $0.families.contains(.language) } }
  }

  private let options: Options
  private var analysis = TextAnalysis()
  private var qualityTokens = QualityTokens()

  package init(_ options: Options) { self.options = options }

  /// - Parameters:
  ///   - text: ``RecordContent/scoredText``; nil for records that have tokens and no text.
  ///   - tokens: nil without a tokenizer.
  package mutating func score(_ text: String?, tokens: TokenCounts?) -> RecordScore {
    var score = RecordScore()
    score.tokens = tokens?.tokens
    score.targetTokens = tokens?.targetTokens
    var qualities: [Double] = []
    if let text {
      analysis.analyse(text)
      score.words = analysis.wordCount
      score.characters = analysis.characters
      score.sentences = analysis.sentences
      for signal in options.signals {
        let value = signal.value(of: analysis)
        if let quality = value.flatMap({ signal.quality(of: $0) }) { qualities.append(quality) }
        score.signals.append((signal.name, value.map(DualScore.rounded)))
      }
      if options.tellsLanguage { score.language = analysis.language.code }
      // A text without words has no signal and no quality.
      if options.makesQuality {
        score.quality = analysis.wordCount == 0 ? 0 : DualScore.quality(of: qualities)
      }
      if let model = options.qualityModel { judge(text, by: model, &score) }
    }
    if let n = score.tokens ?? score.words {
      score.length = DualScore.length(n, context: options.context)
    }
    if let length = score.length, let quality = score.quality {
      score.score = DualScore.rounded(
        DualScore.score(length: length, quality: quality, lengthWeight: options.lengthWeight))
    }
    score.length = score.length.map(DualScore.rounded)
    score.quality = score.quality.map(DualScore.rounded)
    return score
  }

  /// Q = Q_h^(1-l) · Q_m^l, with Q_h levelled over the lengths.
  private mutating func judge(_ text: String, by model: QualityModel, _ score: inout RecordScore) {
    qualityTokens.read(text)
    let judgement = model.judge(qualityTokens, hash: TextHash.of(text))
    score.signals.append(("character_nll", judgement.nll.map(DualScore.rounded)))
    score.signals.append(("word_order", judgement.gain.map(DualScore.rounded)))
    guard let words = score.words, let heuristic = score.quality,
      let usual = model.quality(judgement, words: words)
    else { return }
    score.quality = DualScore.score(
      length: usual, quality: model.levelled(heuristic, words: words),
      lengthWeight: options.modelWeight)
  }
}

extension RecordContent {
  /// The text whose quality is a record's quality: what the model is to learn to say. The completion of a
  /// prompt; the assistant's turns of a conversation, with blank lines between; a text itself. Nil for
  /// records of tokens.
  package var scoredText: String? {
    switch self {
    case .text(let text): text
    case .promptCompletion(_, let completion): completion
    case .conversation(let messages):
      messages.filter { $0.role == .assistant }.map(\.content).joined(separator: "\n\n")
    case .tokens: nil
    }
  }
}
