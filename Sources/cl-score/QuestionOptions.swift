// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CommandSupport
import Compute
import Examples
import LanguageModels
import Scoring
import Streams
import Tokenization

/// Options about what a model is asked beside likelihoods, and about the memory that it takes.
struct QuestionOptions: ParsableArguments {
  @Flag(
    help: """
      How much the prompt helps with the answer: alone_nll, ifd_loss, ifd_ppl, alignment. The answers are \
      computed a second time, without their prompts.
      """)
  var ifd = false

  @Flag(help: "Add quantiles of the losses of single tokens, token_nll.")
  var tokenQuantiles = false

  @Option(help: "Model that knows better, for learnability: a folder or a GGUF file with the same tokens.")
  var referenceModel: String?

  @Option(help: "Adapter on the reference model, or, without one, on --model.")
  var referenceAdapter: String?

  @Option(
    help: """
      Let the model answer each prompt with up to this many tokens, always the likeliest one, and compare: \
      answer, exact_match.
      """)
  var answer: Int?

  @Option(help: "Compare answers from after the last occurrence of this text on, for example ####.")
  var answerMark: String?

  @Option(help: "Memory to stay within, for example 700MiB or 2GiB; the more, the longer the model's rows.")
  var memory: String?

  @Flag(help: "Say what the model would take, in one line of JSON, and stop.")
  var dryRun = false

  mutating func validate() throws {
    if let answer, answer < 1 { throw ValidationError("--answer: expected 1 or more, found \(answer)") }
    if answerMark != nil && answer == nil { throw ValidationError("--answer-mark needs --answer") }
    _ = try memoryBudget()
  }

  /// `--memory` in bytes; nil for no limit.
  private func memoryBudget() throws -> Int? {
    try memory.map { try ByteSize.parse($0, option: "--memory") }
  }

  var needsPrompts: Bool { ifd || answer != nil }

  /// The first of the options that is given.
  var first: String? {
    if ifd { return "--ifd" }
    if tokenQuantiles { return "--token-quantiles" }
    if referenceModel != nil { return "--reference-model" }
    if referenceAdapter != nil { return "--reference-adapter" }
    if answer != nil { return "--answer" }
    if memory != nil { return "--memory" }
    return dryRun ? "--dry-run" : nil
  }

  /// Opens the models, and says in `pass` what they are asked.
  ///
  /// - Throws: `ModelError`, `AdapterError`, `TokenizerError`, ``MemoryRefusal``.
  func open(
    base: BaseModel, adapter: String?, device: any Device, tokenizer: Tokenizer?,
    pass: inout ScoringPass.Options
  ) throws -> AskedModels {
    var provider = try ModelLikelihood(base: base, adapter: adapter, device: device)
    provider.keepsLosses = tokenQuantiles
    pass.questions.tokenQuantiles = tokenQuantiles
    pass.questions.answerMark = answerMark
    if ifd {
      guard let start = pass.encoder?.documentStart else {
        throw UsageError("--ifd needs a tokenizer with an end of text", hint: "--tokenizer")
      }
      pass.questions.documentStart = start
    }
    let reference = try openReference(base: base, device: device, tokenizer: tokenizer)
    let memory = try ScoringMemory(
      models: [provider.model] + (reference.map { [$0.model] } ?? []),
      sharesWeights: referenceModel == nil, context: pass.scorer.context,
      answers: answer == nil ? 0 : pass.questions.answersAtATime, budget: try memoryBudget())
    pass.rowTokens = memory.rowTokens
    var answerer: ModelAnswers?
    if let answer, let encoder = pass.encoder, tokenizer != nil {
      var limits = AnswerLimits(
        stops: encoder.answerEnds, tokens: answer, context: pass.scorer.context)
      limits.rowTokens = memory.rowTokens
      answerer = ModelAnswers(model: provider.model, encoder: encoder, limits: limits)
    } else if answer != nil {
      throw UsageError("--answer needs a tokenizer", hint: "--tokenizer")
    }
    return AskedModels(
      provider: provider, reference: reference, answerer: answerer, memory: memory)
  }

  private func openReference(
    base: BaseModel, device: any Device, tokenizer: Tokenizer?
  ) throws -> ModelLikelihood? {
    guard let referenceModel else {
      guard let referenceAdapter else { return nil }
      return try ModelLikelihood(base: base, adapter: referenceAdapter, device: device)
    }
    let reference = try BaseModel(path: referenceModel)
    let other: Tokenizer?
    do { other = try Tokenizer.load(path: referenceModel) } catch TokenizerError.noTokenizer {
      other = nil
    }
    if let tokenizer, let other, tokenizer.vocabularySize != other.vocabularySize {
      throw UsageError(
        "\(referenceModel): another tokenizer than that of --model",
        hint: "learnability compares losses of the same tokens")
    }
    return try ModelLikelihood(base: reference, adapter: referenceAdapter, device: device)
  }
}
