// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute
import Examples
import LanguageModels
import Scoring

/// A base model, with or without an adapter, that answers Scoring's question. The only place that
/// knows both.
struct ModelLikelihood: LikelihoodProvider {
  let model: LanguageModel
  /// The losses of single targets are wanted.
  var keepsLosses = false
  let baseDigest: String
  let adapterDigest: String?
  /// What computes, for manifests.
  var kernels: String { model.device.summary }

  /// - Throws: `ModelError`, `AdapterError`.
  init(base: BaseModel, adapter path: String?, device: any Device) throws {
    baseDigest = base.digest()
    guard let path else {
      model = try LanguageModel(base: base, device: device)
      adapterDigest = nil
      return
    }
    let adapter = try AdapterReader.read(path: path)
    if let made = adapter.provenance?.base, made != baseDigest {
      throw ModelError.adapterMismatch(
        module: path, expected: "base model \(baseDigest.prefix(12))…",
        found: "an adapter of \(made.prefix(12))…")
    }
    model = try LanguageModel(base: base, adapter: adapter, device: device)
    adapterDigest = adapter.digest()
  }

  func likelihoods(of row: [Example]) throws -> [Likelihood] {
    var packed = PackedRow()
    for example in row { packed.append(tokens: example.tokens, isTarget: example.isTarget) }
    let losses = try model.score(packed)
    return packed.examples(losses).enumerated().map { index, sum in
      var likelihood = Likelihood(
        nll: sum.nll, targetTokens: sum.targets, correctTokens: sum.correct)
      if keepsLosses {
        let range = packed.targetStarts[index]..<packed.targetStarts[index + 1]
        likelihood.losses = losses[range].map(\.nll)
      }
      return likelihood
    }
  }
}

/// A model that writes answers, token by token.
struct ModelAnswers: AnswerProvider {
  let model: LanguageModel
  let encoder: ExampleEncoder
  let limits: AnswerLimits

  func answers(to prompts: [[Int32]]) throws -> [String] {
    try model.greedyAnswers(to: prompts, limits: limits).map { encoder.text(of: $0) ?? "" }
  }
}

/// The models that a run asks.
struct AskedModels {
  let provider: ModelLikelihood
  let reference: ModelLikelihood?
  let answerer: ModelAnswers?
  let memory: ScoringMemory
}
