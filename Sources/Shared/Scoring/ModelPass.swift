// SPDX-License-Identifier: Apache-2.0
internal import Examples
internal import Records

/// Asks models about the records of a chunk. All that a model is asked about likelihoods (whole records,
/// their answers alone, choices) goes into the same rows.
struct ModelPass {
  private let options: ScoringPass.Options
  private let provider: any LikelihoodProvider
  private let reference: (any LikelihoodProvider)?
  private let answerer: (any AnswerProvider)?

  /// What an example is asked for.
  private enum Purpose {
    case record, alone
    case choice(Int)
  }

  private struct Question {
    let example: Example
    let owner: Int
    let purpose: Purpose
  }

  init(
    _ options: ScoringPass.Options, provider: any LikelihoodProvider,
    reference: (any LikelihoodProvider)?, answerer: (any AnswerProvider)?
  ) {
    self.options = options
    self.provider = provider
    self.reference = reference
    self.answerer = answerer
  }

  /// Adds what the models say to the records that were scored.
  func ask(about outcomes: inout [ScoringOutcome]) throws {
    var records: [(index: Int, record: ScoredRecord)] = []
    for (index, outcome) in outcomes.enumerated() {
      if case .scored(let record) = outcome { records.append((index, record)) }
    }
    let questions = records.indices.flatMap { self.questions(about: records[$0].record, $0) }
    let found = try likelihoods(questions, from: provider)
    var aloneNLL = [Double?](repeating: nil, count: records.count)
    var choiceNLL = records.map {
      [Double](repeating: 0, count: $0.record.question?.examples.count ?? 0)
    }
    for owner in records.indices {
      add(
        Likelihood(nll: 0, targetTokens: 0, correctTokens: 0), to: &records[owner].record)
    }
    for (question, likelihood) in zip(questions, found) {
      switch question.purpose {
      case .record: add(likelihood, to: &records[question.owner].record)
      case .alone: aloneNLL[question.owner, default: 0] += likelihood.nll
      case .choice(let index): choiceNLL[question.owner][index] = likelihood.nll
      }
    }
    for owner in records.indices {
      if let alone = aloneNLL[owner] { addDifficulty(alone, to: &records[owner].record) }
      if let question = records[owner].record.question {
        records[owner].record.score.model.choices = ModelScore.Choices(
          nll: choiceNLL[owner], of: question.choices)
      }
    }
    if let reference {
      let whole = questions.filter { if case .record = $0.purpose { true } else { false } }
      for (question, likelihood) in zip(whole, try likelihoods(whole, from: reference)) {
        addReference(likelihood, to: &records[question.owner].record)
      }
    }
    if let answerer { try addAnswers(from: answerer, to: &records) }
    for (index, record) in records { outcomes[index] = .scored(record) }
  }

  private func questions(about record: ScoredRecord, _ owner: Int) -> [Question] {
    var questions: [Question] = []
    if let example = record.example, !example.isLost {
      questions.append(Question(example: example, owner: owner, purpose: .record))
      if let start = options.questions.documentStart {
        for alone in example.alone(after: start) {
          questions.append(Question(example: alone, owner: owner, purpose: .alone))
        }
      }
    }
    for (index, example) in (record.question?.examples ?? []).enumerated() where !example.isLost {
      questions.append(Question(example: example, owner: owner, purpose: .choice(index)))
    }
    return questions
  }

  /// Cuts examples into rows and asks for their likelihoods.
  private func likelihoods(
    _ questions: [Question], from provider: any LikelihoodProvider
  ) throws -> [Likelihood] {
    var found: [Likelihood] = []
    found.reserveCapacity(questions.count)
    let lengths = questions.map(\.example.tokens.count)
    for row in RowCut.rows(lengths: lengths, limit: options.rowTokens) {
      found += try provider.likelihoods(of: questions[row].map(\.example))
    }
    return found
  }

  // MARK: What is found

  private func add(_ likelihood: Likelihood, to record: inout ScoredRecord) {
    record.likelihood = likelihood
    record.likelihood?.losses = []
    record.score.nll = likelihood.nll
    let targets = likelihood.targetTokens
    if targets > 0 {
      record.score.tokenAccuracy = DualScore.rounded(
        Double(likelihood.correctTokens) / Double(targets))
    }
    if options.questions.tokenQuantiles {
      record.score.model.tokenNLL = ModelMeasures.quantiles(likelihood.losses)
    }
  }

  private func addDifficulty(_ alone: Double, to record: inout ScoredRecord) {
    guard let likelihood = record.likelihood else { return }
    ModelMeasures.addDifficulty(
      nll: likelihood.nll, alone: alone, targets: likelihood.targetTokens, to: &record.score.model)
    guard let difficulty = record.score.model.ifdLoss, let quality = record.score.quality,
      let length = record.score.length
    else { return }
    let fitting = DualScore.rounded(quality * ModelMeasures.fit(ifdLoss: difficulty))
    if fitting == quality { return }
    record.score.quality = fitting
    record.score.score = DualScore.rounded(
      DualScore.score(
        length: length, quality: fitting, lengthWeight: options.scorer.lengthWeight))
  }

  private func addReference(_ likelihood: Likelihood, to record: inout ScoredRecord) {
    record.score.model.referenceNLL = likelihood.nll
    guard let own = record.likelihood, own.targetTokens > 0 else { return }
    record.score.model.learnability = DualScore.rounded(
      (own.nll - likelihood.nll) / Double(own.targetTokens))
  }

  private func addAnswers(
    from answerer: any AnswerProvider, to records: inout [(index: Int, record: ScoredRecord)]
  ) throws {
    var asked: [(owner: Int, prompt: [Int32])] = []
    for owner in records.indices {
      let record = records[owner].record
      if record.answer != nil, let prompt = record.example?.prompt { asked.append((owner, prompt)) }
    }
    for start in stride(from: 0, to: asked.count, by: options.questions.answersAtATime) {
      let group = asked[start..<min(asked.count, start + options.questions.answersAtATime)]
      let answers = try answerer.answers(to: group.map(\.prompt))
      for (owner, answer) in zip(group.map(\.owner), answers) {
        records[owner].record.score.model.answer = answer
        records[owner].record.score.model.isExactMatch = records[owner].record.answer.map {
          AnswerMatch.areEqual(answer, $0, mark: options.questions.answerMark)
        }
      }
    }
  }
}

extension Array where Element == Double? {
  fileprivate subscript(index: Int, default value: Double) -> Double {
    get { self[index] ?? value }
    set { self[index] = newValue }
  }
}
