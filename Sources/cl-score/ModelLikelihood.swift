// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute
import Examples
import LanguageModels
import Scoring

/// A base model, with or without an adapter, that answers Scoring's question. The only place that
/// knows both.
struct ModelLikelihood: LikelihoodProvider {
  private let model: LanguageModel
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
    return packed.examples(try model.score(packed)).map {
      Likelihood(nll: $0.nll, targetTokens: $0.targets, correctTokens: $0.correct)
    }
  }
}
