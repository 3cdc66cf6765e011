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
  fileprivate let example: Example?
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

    package init() {}
  }

  private let options: Options
  private let provider: (any LikelihoodProvider)?

  package init(_ options: Options, provider: (any LikelihoodProvider)? = nil) {
    self.options = options
    self.provider = provider
  }

  /// The outcomes of a chunk's records, in their order.
  ///
  /// - Parameter first: the number of the chunk's first record in the input, from 0.
  /// - Throws: what no record can mend: `ExampleError`, the provider's errors.
  package func score(_ chunk: RecordChunk, first: Int = 0) throws -> [ScoringOutcome] {
    let finishes = provider == nil
    let results = Parallel.map(chunk.count, threads: options.threads) {
      RecordWorker(options)
    } body: { worker, index -> Result<ScoringOutcome, any Error> in
      do {
        var record = try worker.score(try chunk.fields(index))
        if let (name, earlier) = options.clusters?.cluster(of: first + index) {
          record.score.cluster = name
          record.score.duplicateOf = earlier
        }
        if finishes { worker.finish(&record) }
        return .success(.scored(record))
      } catch let error as RecordError {
        return .success(.bad(error))
      } catch {
        return .failure(error)
      }
    }
    var outcomes = try results.map { try $0.get() }
    if let provider { try addLikelihoods(to: &outcomes, from: provider) }
    return outcomes
  }

  /// Cuts the chunk's examples into rows, asks for their likelihoods, and finishes the records.
  private func addLikelihoods(
    to outcomes: inout [ScoringOutcome], from provider: any LikelihoodProvider
  ) throws {
    var examples: [Example] = []
    var owners: [Int] = []
    for (index, outcome) in outcomes.enumerated() {
      if case .scored(let record) = outcome, let example = record.example, !example.isLost {
        examples.append(example)
        owners.append(index)
      }
    }
    var found: [Int: Likelihood] = [:]
    let rows = RowCut.rows(lengths: examples.map(\.tokens.count), limit: options.rowTokens)
    for row in rows {
      let likelihoods = try provider.likelihoods(of: Array(examples[row]))
      for (index, likelihood) in zip(row, likelihoods) { found[owners[index]] = likelihood }
    }
    let worker = RecordWorker(options)
    for index in outcomes.indices {
      guard case .scored(var record) = outcomes[index] else { continue }
      let likelihood =
        found[index] ?? Likelihood(nll: 0, targetTokens: 0, correctTokens: 0)
      record.likelihood = likelihood
      record.score.nll = likelihood.nll
      record.score.tokenAccuracy =
        likelihood.targetTokens == 0
        ? nil
        : DualScore.rounded(Double(likelihood.correctTokens) / Double(likelihood.targetTokens))
      worker.finish(&record)
      outcomes[index] = .scored(record)
    }
  }
}

/// What one thread needs to score records.
private final class RecordWorker {
  private let options: ScoringPass.Options
  private var scorer: RecordScorer
  private var writer = JSONWriter()

  init(_ options: ScoringPass.Options) {
    self.options = options
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
    return ScoredRecord(
      score: scorer.score(text, tokens: counts), tokens: counts, fields: fields, example: example)
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
