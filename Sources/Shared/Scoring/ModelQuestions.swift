// SPDX-License-Identifier: Apache-2.0
internal import Examples
package import Records
internal import Glibc

/// What a model is asked about records beyond their likelihood (Documentation/scores.md, "With a model").
package struct ModelQuestions: Sendable {
  /// Ranks of the losses of single targets.
  package var tokenQuantiles = false
  /// How much the prompt helps: the answers alone, after this token, are computed too.
  package var documentStart: Int32?
  /// Compares answers from after the last occurrence of this text on; nil from their start on.
  package var answerMark: String?
  /// Prompts that are answered together.
  package var answersAtATime = 16

  package init() {}
}

/// A question and its choices as a model sees them.
struct ChoiceQuestion {
  let examples: [Example]
  let choices: RecordChoices
}

extension ModelScore.Choices {
  /// The choice that is likeliest as a whole, a character and a byte, as lm-evaluation-harness has acc,
  /// acc_norm and acc_bytes. Of equals the first.
  ///
  /// - Parameter nll: -log p of each choice.
  package init(nll: [Double], of question: RecordChoices) {
    func least(_ size: (String) -> Int) -> Int {
      let values = zip(nll, question.choices).map { $0 / Double(max(1, size($1))) }
      return values.indices.min { values[$0] < values[$1] } ?? 0
    }
    self.init(
      nll: nll, picked: least { _ in 1 }, pickedByCharacters: least { $0.unicodeScalars.count },
      pickedByBytes: least { $0.utf8.count }, answer: question.answer)
  }
}

extension Example {
  /// The runs of targets: answers with what ends them.
  var targetRuns: [Range<Int>] {
    var runs: [Range<Int>] = []
    var start: Int?
    for (index, isTarget) in isTarget.enumerated() {
      if isTarget, start == nil { start = index }
      if !isTarget, let first = start {
        runs.append(first..<index)
        start = nil
      }
    }
    if let start { runs.append(start..<tokens.count) }
    return runs
  }

  /// The answers without what stands before them, after the token that stands before a document; none
  /// where nothing stands before the targets but the first token.
  func alone(after start: Int32) -> [Example] {
    let runs = targetRuns
    guard let first = runs.first, first.lowerBound > 1 else { return [] }
    return runs.map { run in
      Example(
        tokens: [start] + tokens[run], isTarget: [false] + run.map { _ in true },
        context: run.count + 1)
    }
  }

  /// What stands before the last answer; nil where there is no prompt or the context cuts the answer off.
  var prompt: [Int32]? {
    guard let last = targetRuns.last, last.lowerBound > 1 else { return nil }
    return Array(tokens[..<last.lowerBound])
  }
}

extension RecordContent {
  /// What the model is to say last; nil for texts and tokens, and where somebody else speaks last.
  var lastAnswer: String? {
    switch self {
    case .promptCompletion(_, let completion): completion
    case .conversation(let messages):
      messages.last?.role == .assistant ? messages.last?.content : nil
    case .text, .tokens: nil
    }
  }
}

/// Compares answers.
enum AnswerMatch {
  /// Scalar by scalar, from after the last `mark` on if there is one, white space at both ends aside.
  static func areEqual(_ left: String, _ right: String, mark: String?) -> Bool {
    compared(left, mark: mark).elementsEqual(compared(right, mark: mark))
  }

  private static func compared(_ text: String, mark: String?) -> [Unicode.Scalar] {
    var scalars = Array(text.unicodeScalars)[...]
    if let mark = mark.map({ Array($0.unicodeScalars) }), !mark.isEmpty,
      let last = scalars.indices.last(where: { scalars[$0...].starts(with: mark) })
    {
      scalars = scalars[(last + mark.count)...]
    }
    while scalars.first?.properties.isWhitespace == true { scalars.removeFirst() }
    while scalars.last?.properties.isWhitespace == true { scalars.removeLast() }
    return Array(scalars)
  }
}

/// Numbers that follow from likelihoods.
enum ModelMeasures {
  /// The values at ranks ⌈p·N⌉, as ``ModelScore/quantiles`` names them.
  static func quantiles(_ losses: [Float]) -> [Double]? {
    if losses.isEmpty { return nil }
    let ordered = losses.sorted()
    return [5, 25, 50, 75, 95, 100].map { percent in
      Double(ordered[max(1, (percent * ordered.count + 99) / 100) - 1])
    }
  }

  /// Instruction-following difficulty (Li et al. 2024, https://arxiv.org/abs/2308.12032) as a ratio of
  /// losses, and as one of perplexities (Li et al. 2024, https://arxiv.org/abs/2402.00530), and the nats a
  /// target that the prompt saves.
  static func addDifficulty(nll: Double, alone: Double, targets: Int, to score: inout ModelScore) {
    score.aloneNLL = alone
    guard targets > 0 else { return }
    let gain = (alone - nll) / Double(targets)
    score.alignment = DualScore.rounded(gain)
    score.ifdPerplexity = DualScore.rounded(exp(-gain))
    if alone > 0 { score.ifdLoss = DualScore.rounded(nll / alone) }
  }

  /// g = 1 up to an IFD of 1, exp(-4 (IFD - 1)) beyond: an answer that its prompt makes less likely does
  /// not belong to it.
  static func fit(ifdLoss: Double) -> Double { ifdLoss <= 1 ? 1 : exp(-4 * (ifdLoss - 1)) }
}
