// SPDX-License-Identifier: Apache-2.0
package import Records
internal import Streams

/// What a whole corpus comes to, kept as records pass: the `score_summary` line
/// (Documentation/formats/records.md).
package struct ScoreSummary: Sendable {
  /// What was measured with; written into the line.
  package struct Origin: Sendable {
    package var tool: String
    package var signals: [String] = []
    package var lengthWeight: Double
    /// Digest of the base model, and of the adapter on it.
    package var model: String?
    package var adapter: String?
    /// The same of the reference model.
    package var reference: String?
    package var referenceAdapter: String?
    /// Where the quality model is from: `self`, a path, or nil.
    package var qualityModel: String?

    package init(tool: String, lengthWeight: Double) {
      self.tool = tool
      self.lengthWeight = lengthWeight
    }
  }

  package private(set) var records = 0
  package var skippedRecords = 0
  private var words = 0
  private var characters = 0
  private var sentences = 0
  private var tokens: Int?
  private var targetTokens = 0
  package private(set) var truncatedRecords = 0
  package private(set) var truncatedTargetTokens = 0
  /// Records without any target within the context.
  package private(set) var lostRecords = 0
  /// Σ Q · min(n, C) in millionths, and Σ min(n, C): whole numbers, so that sums of parts are exact.
  private var qualityMillionths = 0
  private var contextTokens = 0
  private var length = Distribution.ofScores()
  private var quality = Distribution.ofScores()
  private var score = Distribution.ofScores()
  private var tokensPerRecord = Distribution.ofCounts()
  private var likelihood: Likelihood?
  private var asked = ModelTotals()
  private let context: Int

  package init(context: Int) { self.context = context }

  package mutating func add(
    _ record: RecordScore, tokens counts: TokenCounts?, likelihood found: Likelihood? = nil
  ) {
    records += 1
    words += record.words ?? 0
    characters += record.characters ?? 0
    sentences += record.sentences ?? 0
    if let counts {
      tokens = (tokens ?? 0) + counts.tokens
      targetTokens += counts.targetTokens
      truncatedTargetTokens += counts.truncatedTargetTokens
      if counts.tokens > context { truncatedRecords += 1 }
      if counts.targetTokens == 0 { lostRecords += 1 }
      tokensPerRecord.add(counts.tokens)
    }
    if let value = record.length { length.add(score: value) }
    if let value = record.score { score.add(score: value) }
    if let value = record.quality {
      quality.add(score: value)
      let fitting = min(context, counts?.tokens ?? record.words ?? 0)
      qualityMillionths &+= Int((value * 1e6).rounded()) &* fitting
      contextTokens &+= fitting
    }
    asked.add(record.model, likelihood: found)
    if let found {
      var sum = likelihood ?? Likelihood(nll: 0, targetTokens: 0, correctTokens: 0)
      sum.nll += found.nll
      sum.targetTokens += found.targetTokens
      sum.correctTokens += found.correctTokens
      likelihood = sum
    }
  }

  /// Adds what another part of the corpus came to: the same as if its records had been added one by one.
  ///
  /// - Precondition: the same context.
  package mutating func merge(_ other: ScoreSummary) {
    precondition(context == other.context, "summaries of two contexts")
    records += other.records
    skippedRecords += other.skippedRecords
    words += other.words
    characters += other.characters
    sentences += other.sentences
    if let count = other.tokens { tokens = (tokens ?? 0) + count }
    targetTokens += other.targetTokens
    truncatedRecords += other.truncatedRecords
    truncatedTargetTokens += other.truncatedTargetTokens
    lostRecords += other.lostRecords
    qualityMillionths &+= other.qualityMillionths
    contextTokens &+= other.contextTokens
    length.merge(other.length)
    quality.merge(other.quality)
    score.merge(other.score)
    tokensPerRecord.merge(other.tokensPerRecord)
    asked.merge(other.asked)
    if let found = other.likelihood {
      var sum = likelihood ?? Likelihood(nll: 0, targetTokens: 0, correctTokens: 0)
      sum.nll += found.nll
      sum.targetTokens += found.targetTokens
      sum.correctTokens += found.correctTokens
      likelihood = sum
    }
  }

  /// Mean -log p of a target token over the whole corpus, nats; nil without a model or a target.
  package var meanNLL: Double? {
    guard let likelihood, likelihood.targetTokens > 0 else { return nil }
    return likelihood.nll / Double(likelihood.targetTokens)
  }

  /// The line, with its line end.
  package func line(_ origin: Origin) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("type", "score_summary")
      writer.field("v", 1)
      writer.field("tool", origin.tool)
      writer.field("records", records)
      writer.field("skipped_records", skippedRecords)
      writer.field("words", words)
      writer.field("characters", characters)
      writer.field("sentences", sentences)
      if let tokens {
        writer.field("tokens", tokens)
        writer.field("target_tokens", targetTokens)
        writer.field("truncated_records", truncatedRecords)
        writer.field("truncated_target_tokens", truncatedTargetTokens)
        writer.field("lost_records", lostRecords)
      }
      writer.field("context", context)
      writer.field("length_weight", origin.lengthWeight)
      writer.field("signals", origin.signals)
      length.write("length", to: &writer)
      quality.write("quality", to: &writer)
      score.write("score", to: &writer)
      tokensPerRecord.write("tokens_per_record", to: &writer)
      if !quality.isEmpty { writeShard(origin, to: &writer) }
      if let model = origin.model { writeLikelihood(model, origin.adapter, to: &writer) }
      asked.write(reference: origin.reference, adapter: origin.referenceAdapter, to: &writer)
    }
    writer.newline()
    return writer.bytes
  }

  /// E, T, and the shard's own L, Q and D (Documentation/scores.md, "Shards").
  private func writeShard(_ origin: Origin, to writer: inout JSONWriter) {
    let mass = Double(qualityMillionths) / 1e6
    writer.field("quality_tokens", mass)
    writer.field("context_tokens", contextTokens)
    let shardQuality = contextTokens > 0 ? mass / Double(contextTokens) : 0
    writer.object("shard") { writer in
      writer.field("length", DualScore.rounded(length.mean))
      writer.field("quality", DualScore.rounded(shardQuality))
      writer.field(
        "score",
        DualScore.rounded(
          DualScore.score(
            length: length.mean, quality: shardQuality, lengthWeight: origin.lengthWeight)))
    }
    if let model = origin.qualityModel { writer.field("quality_model", model) }
  }

  private func writeLikelihood(
    _ model: String, _ adapter: String?, to writer: inout JSONWriter
  ) {
    writer.field("model", model)
    writer.key("adapter")
    if let adapter { writer.value(adapter) } else { writer.null() }
    let sum = likelihood ?? Likelihood(nll: 0, targetTokens: 0, correctTokens: 0)
    writer.field("nll", sum.nll)
    let mean = meanNLL ?? .nan
    writer.field("mean_nll", mean)
    writer.field("perplexity", meanNLL.map { DualScore.exponential($0) } ?? .nan)
    writer.field(
      "token_accuracy",
      sum.targetTokens > 0
        ? DualScore.rounded(Double(sum.correctTokens) / Double(sum.targetTokens)) : .nan)
  }
}
