// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// What a corpus comes to by what models were asked beyond likelihoods: part of ``ScoreSummary``.
struct ModelTotals {
  private var pairs = 0
  private var pairTargets = 0
  private var pairNLL = 0.0
  private var aloneNLL = 0.0
  private var ifdLoss = Distribution.ofScores()
  private var compared = 0
  private var comparedTargets = 0
  private var comparedNLL = 0.0
  private var referenceNLL = 0.0
  private var questions = 0
  private var right = (whole: 0, byCharacters: 0, byBytes: 0)
  private var answers = 0
  private var matches = 0

  mutating func add(_ score: ModelScore, likelihood: Likelihood?) {
    if let likelihood, let alone = score.aloneNLL {
      pairs += 1
      pairTargets += likelihood.targetTokens
      pairNLL += likelihood.nll
      aloneNLL += alone
      // A ratio has no upper bound; what lies beyond a million says no more.
      if let value = score.ifdLoss, value.isFinite { ifdLoss.add(score: min(value, 1e6)) }
    }
    if let likelihood, let reference = score.referenceNLL {
      compared += 1
      comparedTargets += likelihood.targetTokens
      comparedNLL += likelihood.nll
      referenceNLL += reference
    }
    if let choices = score.choices {
      questions += 1
      right.whole += choices.picked == choices.answer ? 1 : 0
      right.byCharacters += choices.pickedByCharacters == choices.answer ? 1 : 0
      right.byBytes += choices.pickedByBytes == choices.answer ? 1 : 0
    }
    if let isMatch = score.isExactMatch {
      answers += 1
      matches += isMatch ? 1 : 0
    }
  }

  mutating func merge(_ other: ModelTotals) {
    pairs += other.pairs
    pairTargets += other.pairTargets
    pairNLL += other.pairNLL
    aloneNLL += other.aloneNLL
    ifdLoss.merge(other.ifdLoss)
    compared += other.compared
    comparedTargets += other.comparedTargets
    comparedNLL += other.comparedNLL
    referenceNLL += other.referenceNLL
    questions += other.questions
    right.whole += other.right.whole
    right.byCharacters += other.right.byCharacters
    right.byBytes += other.right.byBytes
    answers += other.answers
    matches += other.matches
  }

  /// Objects `difficulty`, `reference`, `choices` and `answers`; each only if something was asked.
  func write(reference: String?, adapter: String?, to writer: inout JSONWriter) {
    func share(_ count: Int, of total: Int) -> Double {
      DualScore.rounded(Double(count) / Double(max(1, total)))
    }
    if pairs > 0 {
      writer.object("difficulty") { writer in
        writer.field("records", pairs)
        writer.field("target_tokens", pairTargets)
        writer.field("nll", pairNLL)
        writer.field("alone_nll", aloneNLL)
        writer.field(
          "alignment", DualScore.rounded((aloneNLL - pairNLL) / Double(max(1, pairTargets))))
        ifdLoss.write("ifd_loss", to: &writer)
      }
    }
    if compared > 0 {
      writer.object("reference") { writer in
        writer.field("model", ifPresent: reference)
        writer.field("adapter", ifPresent: adapter)
        writer.field("nll", referenceNLL)
        writer.field(
          "learnability",
          DualScore.rounded((comparedNLL - referenceNLL) / Double(max(1, comparedTargets))))
      }
    }
    if questions > 0 {
      writer.object("choices") { writer in
        writer.field("records", questions)
        writer.field("acc", share(right.whole, of: questions))
        writer.field("acc_norm", share(right.byCharacters, of: questions))
        writer.field("acc_bytes", share(right.byBytes, of: questions))
      }
    }
    if answers > 0 {
      writer.object("answers") { writer in
        writer.field("records", answers)
        writer.field("exact_match", share(matches, of: answers))
      }
    }
  }
}
