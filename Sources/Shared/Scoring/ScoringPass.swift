// SPDX-License-Identifier: Apache-2.0
package import Examples
package import Records
internal import Streams

/// What became of one record.
package enum ScoringOutcome {
  case scored(ScoredRecord)
  case bad(RecordError)
}

/// A record with its score.
package struct ScoredRecord {
  package internal(set) var score: RecordScore
  /// Nil without a tokenizer, unless the record has tokens of its own.
  package let tokens: TokenCounts?
  package internal(set) var likelihood: Likelihood?
  /// The record's line with what was found in it, without a line end.
  package internal(set) var line: [UInt8] = []
  fileprivate let fields: RecordFields
  let example: Example?
  /// The answer that the record gives; only where a model is asked.
  let answer: String?
  let question: ChoiceQuestion?
}

/// Scores chunks of records on several threads. The result does not depend on their number.
package struct ScoringPass {
  package struct Options: Sendable {
    package var scorer = RecordScorer.Options()
    package var layout = RecordLayout()
    /// Makes examples of records; knows the tokenizer, if there is one.
    package var encoder: ExampleEncoder?
    /// The encoder has a tokenizer: records of text are encoded too.
    package var encodesText = false
    /// Adds `input_ids` and `labels` to each record.
    package var emitsIDs = false
    /// Tokens of a packed row for the model.
    package var rowTokens = 4096
    package var threads = 1
    /// Which records say the same, by their number in the input.
    package var clusters: DuplicateClusters?
    /// What a model is asked beyond likelihoods.
    package var questions = ModelQuestions()

    package init() {}
  }

  /// Somebody with a model is asked about the records.
  package var asksModel: Bool { provider != nil }
  private let options: Options
  private let provider: (any LikelihoodProvider)?
  private let reference: (any LikelihoodProvider)?
  private let answerer: (any AnswerProvider)?

  /// - Parameters:
  ///   - provider: knows likelihoods.
  ///   - reference: knows them better, for what there is to learn.
  ///   - answerer: answers prompts.
  package init(
    _ options: Options, provider: (any LikelihoodProvider)? = nil,
    reference: (any LikelihoodProvider)? = nil, answerer: (any AnswerProvider)? = nil
  ) {
    self.options = options
    self.provider = provider
    self.reference = reference
    self.answerer = answerer
  }

  /// Storage for one thread that scores chunk after chunk; for passes without a model.
  package func makeWorker() -> ScoringWorker {
    ScoringWorker(RecordWorker(options, asksModel: asksModel))
  }

  /// The outcomes of a chunk's records without a model, on the thread that calls.
  ///
  /// - Throws: as ``score(_:first:)``.
  package func score(
    _ chunk: RecordChunk, first: Int, by worker: ScoringWorker
  ) throws -> [ScoringOutcome] {
    try (0..<chunk.count).map {
      try outcome(of: $0, in: chunk, first: first, by: worker.worker).get()
    }
  }

  private func outcome(
    of index: Int, in chunk: RecordChunk, first: Int, by worker: RecordWorker
  ) -> Result<ScoringOutcome, any Error> {
    do {
      var record = try worker.score(try chunk.fields(index))
      if let (name, earlier) = options.clusters?.cluster(of: first + index) {
        record.score.cluster = name
        record.score.duplicateOf = earlier
      }
      if !asksModel { worker.finish(&record) }
      return .success(.scored(record))
    } catch let error as RecordError {
      return .success(.bad(error))
    } catch {
      return .failure(error)
    }
  }

  /// The outcomes of a chunk's records, in their order.
  ///
  /// - Parameter first: the number of the chunk's first record in the input, from 0.
  /// - Throws: what no record can mend: `ExampleError`, the provider's errors.
  package func score(_ chunk: RecordChunk, first: Int = 0) throws -> [ScoringOutcome] {
    let finishes = provider == nil
    let results = Parallel.map(chunk.count, threads: options.threads) {
      RecordWorker(options, asksModel: !finishes)
    } body: { worker, index in
      outcome(of: index, in: chunk, first: first, by: worker)
    }
    var outcomes = try results.map { try $0.get() }
    guard let provider else { return outcomes }
    let asking = ModelPass(options, provider: provider, reference: reference, answerer: answerer)
    try asking.ask(about: &outcomes)
    let worker = RecordWorker(options, asksModel: true)
    for index in outcomes.indices {
      guard case .scored(var record) = outcomes[index] else { continue }
      worker.finish(&record)
      outcomes[index] = .scored(record)
    }
    return outcomes
  }
}

/// What a thread keeps between chunks.
package final class ScoringWorker {
  fileprivate let worker: RecordWorker

  fileprivate init(_ worker: RecordWorker) { self.worker = worker }
}

/// What one thread needs to score records.
private final class RecordWorker {
  private let options: ScoringPass.Options
  private var scorer: RecordScorer
  private var writer = JSONWriter()

  private let asksModel: Bool

  init(_ options: ScoringPass.Options, asksModel: Bool) {
    self.options = options
    self.asksModel = asksModel
    scorer = RecordScorer(options.scorer)
  }

  func score(_ fields: RecordFields) throws -> ScoredRecord {
    let content = try options.layout.content(of: fields)
    var text = content.scoredText
    var isEncoded = options.encodesText
    if case .tokens = content {
      text = try options.layout.textContent(of: fields)?.scoredText
      isEncoded = true
    }
    let example =
      isEncoded ? try options.encoder?.encode(content, at: fields.location) : nil
    let counts = example.map {
      TokenCounts(
        tokens: $0.fullTokenCount, targetTokens: $0.targetCount,
        truncatedTargetTokens: $0.truncatedTargetCount)
    }
    let score = scorer.score(text, tokens: counts)
    guard asksModel, case .tokens = content else {
      return ScoredRecord(
        score: score, tokens: counts, fields: fields, example: example,
        answer: asksModel ? content.lastAnswer : nil,
        question: asksModel && isEncoded ? try question(of: fields) : nil)
    }
    let words = try options.layout.textContent(of: fields)
    return ScoredRecord(
      score: score, tokens: counts, fields: fields, example: example, answer: words?.lastAnswer,
      question: nil)
  }

  /// The choices of a record as the model sees them, each cut off where the answer's text ends.
  private func question(of fields: RecordFields) throws -> ChoiceQuestion? {
    guard let encoder = options.encoder, let found = try options.layout.choices(of: fields) else {
      return nil
    }
    return ChoiceQuestion(
      examples: try found.choices.map {
        try encoder.encode(prompt: found.prompt, answer: $0, at: fields.location)
      }, choices: found)
  }

  /// Writes the record's line.
  func finish(_ record: inout ScoredRecord) {
    writer.reset()
    record.score.write(to: &writer)
    var changes = [(key: RecordScore.key, json: writer.bytes)]
    if options.emitsIDs, let example = record.example {
      let ids = options.layout.name("input_ids")
      changes.insert((ids, array(example.tokens)), at: 0)
      changes.insert((options.layout.name("labels"), array(example.labels)), at: 1)
    }
    record.line = record.fields.setting(changes)
  }

  private func array(_ values: [Int32]) -> [UInt8] {
    writer.reset()
    writer.array { writer in
      for value in values { writer.value(Int(value)) }
    }
    return writer.bytes
  }
}
