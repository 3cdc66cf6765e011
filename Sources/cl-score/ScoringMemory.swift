// SPDX-License-Identifier: Apache-2.0
import CommandSupport
import Compute
import LanguageModels
import Streams

/// What models take while they score, found before a record is read.
struct ScoringMemory {
  /// Longest row that is made of several examples, tokens.
  private static let longestRow = 4096
  /// Code, libraries and what they keep, and a chunk of records with their scores, bytes.
  private static let programBytes = 64 << 20
  /// Bytes that a tokenizer takes for an entry of its vocabulary.
  private static let bytesOfVocabularyEntry = 256

  /// Tokens that the rows of several examples may have.
  let rowTokens: Int
  let weights: Int
  let buffers: Int
  let operations: Int
  let answers: Int
  let program: Int
  var peak: Int { weights + buffers + operations + answers + program }

  /// Chooses the longest rows that `budget` allows.
  ///
  /// - Parameters:
  ///   - sharesWeights: the models are one base model with several adapters.
  ///   - answers: answers that are written side by side.
  /// - Throws: `UsageError` if the budget is too small, `ModelError`.
  init(
    models: [LanguageModel], sharesWeights: Bool, context: Int, answers: Int, budget: Int?
  ) throws {
    var limit = Self.longestRow
    while true {
      let memory = try ScoringMemory(
        models: models, sharesWeights: sharesWeights, context: context, answers: answers,
        rowTokens: limit)
      if memory.peak <= budget ?? .max {
        self = memory
        break
      }
      if limit <= context {
        throw UsageError(
          "--memory: expected at least \(memory.peak) bytes for records of \(context) tokens, "
            + "found \(budget ?? 0)", hint: "a smaller --context takes less")
      }
      limit = max(context, limit / 2)
    }
  }

  private init(
    models: [LanguageModel], sharesWeights: Bool, context: Int, answers: Int, rowTokens: Int
  ) throws {
    self.rowTokens = rowTokens
    let rows = max(rowTokens, context)
    var (weights, buffers, operations, program) = (0, 0, 0, Self.programBytes)
    var held = 0
    for (index, model) in models.enumerated() {
      let plan = model.memoryPlan(rows: rows, trains: false)
      var row = PackedRow()
      for start in stride(from: 0, to: rows, by: max(1, context)) {
        let count = min(context, rows - start)
        row.append(
          tokens: [Int32](repeating: 0, count: count),
          isTarget: [Bool](repeating: true, count: count))
      }
      if index == 0 || !sharesWeights { weights += plan.mappedBytes }
      buffers += plan.allocatedBytes
      operations = max(operations, try model.rehearse(plan, rows: [row], trains: false).workBytes)
      program += Self.bytesOfVocabularyEntry * model.config.vocabularySize
      if index == 0, answers > 0 {
        let config = model.config
        let keys = config.layerCount * config.keyValueHeadCount * config.headSize * context
        // Arrays grow by doubling; logits lie on the device and are read.
        held = answers * (4 * 2 * 2 * keys + 2 * 4 * config.vocabularySize)
      }
    }
    (self.weights, self.buffers, self.operations, self.program) =
      (weights, buffers, operations, program)
    self.answers = held
  }

  /// The plan as one line of JSON on standard output.
  func print(_ models: AskedModels, path: String, context: Int) throws {
    let model = models.provider.model
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("type", "score_plan")
      writer.field("v", 1)
      writer.field("model", path)
      writer.field("family", model.config.family)
      writer.field("base", models.provider.baseDigest)
      writer.field("layers", model.config.layerCount)
      writer.field("context", context)
      writer.field("row_tokens", rowTokens)
      writer.object("memory_bytes") { writer in
        writer.field("weights_mapped", weights)
        writer.field("buffers", buffers)
        writer.field("operations", operations)
        writer.field("answers", answers)
        writer.field("program", program)
        writer.field("peak", peak)
      }
      writer.field("precision", model.device.precision.rawValue)
      writer.field("kernels", model.device.summary)
    }
    writer.newline()
    let sink = try OutputSink(path: "-")
    try sink.write(writer.bytes)
    try sink.close()
  }
}
