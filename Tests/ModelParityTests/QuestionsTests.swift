// SPDX-License-Identifier: Apache-2.0
import Compute
import Devices
import Examples
import LanguageModels
import Records
import Scoring
import Streams
import Testing

/// What cl-score asks models, with tiny models, against transformers 5.23.0 (float64 log-softmax of its
/// float32 logits; the losses of ids[first...] after ids, and after [1] alone).
@Suite struct QuestionsTests {
  private struct Provider: LikelihoodProvider {
    let model: LanguageModel

    init(_ name: String) throws {
      let base = try BaseModel(path: try Golden(name).modelPath)
      model = try LanguageModel(base: base, device: try DeviceCatalog.make("cpu", threads: 2))
    }

    func likelihoods(of row: [Example]) throws -> [Likelihood] {
      let packed = PackedRow(row.map { ($0.tokens, $0.isTarget) })
      let losses = try model.score(packed)
      return packed.examples(losses).enumerated().map { index, sum in
        let range = packed.targetStarts[index]..<packed.targetStarts[index + 1]
        return Likelihood(
          nll: sum.nll, targetTokens: sum.targets, correctTokens: sum.correct,
          losses: losses[range].map(\.nll))
      }
    }
  }

  private struct Reference {
    let first: Int
    let nll, alone, other: Double
    let quantiles: [Double]
  }

  private static let references = [
    Reference(
      first: 7, nll: 179.64912955848135, alone: 177.866108516028, other: 184.58043890924236,
      quantiles: [
        4.784399827432694, 5.558117298914575, 5.758504634636808, 6.614209624403511,
        7.4400476590609905, 7.603900973472643,
      ]),
    Reference(
      first: 11, nll: 72.41594164785928, alone: 72.09796248946597, other: 71.1591239324521,
      quantiles: [
        5.227308143004264, 5.812997836932048, 6.014981636888631, 6.387282039140992,
        6.505830556145473, 6.505830556145473,
      ]),
    Reference(
      first: 19, nll: 247.62817973395926, alone: 246.670431383935, other: 255.7197833275314,
      quantiles: [
        4.827755365841888, 5.534908810490769, 5.985521954546557, 6.334635314900036,
        6.636293435445855, 6.973498576513711,
      ]),
  ]

  @Test(arguments: [30, 4096])
  func numbersAreThoseOfTheReference(rowTokens: Int) throws {
    let golden = try Golden("llama2")
    var options = ScoringPass.Options()
    options.encoder = try ExampleEncoder(tokenizer: nil)
    options.scorer.signals = []
    options.rowTokens = rowTokens
    options.questions.documentStart = 1
    options.questions.tokenQuantiles = true
    let chunk = RecordChunk()
    for (index, reference) in Self.references.enumerated() {
      let ids = golden.sequences[index].tokens
      let labels = ids.indices.map { $0 < reference.first ? -100 : Int(ids[$0]) }
      Array("{\"input_ids\":\(ids),\"labels\":\(labels)}".utf8).withUnsafeBytes {
        chunk.append($0, at: RecordLocation(file: "f", line: index + 1))
      }
    }
    let pass = ScoringPass(
      options, provider: try Provider("llama2"), reference: try Provider("llama3"))
    for (outcome, reference) in zip(try pass.score(chunk), Self.references) {
      guard case .scored(let record) = outcome else {
        Issue.record("no score")
        continue
      }
      let (score, targets) = (record.score.model, Double(try #require(record.score.targetTokens)))
      func expect(_ found: Double?, _ expected: Double, by tolerance: Double = 3e-4) {
        #expect(found.map { abs($0 - expected) <= tolerance } == true, "\(expected)")
      }
      expect(record.score.nll, reference.nll)
      expect(score.aloneNLL, reference.alone)
      expect(score.referenceNLL, reference.other)
      expect(score.ifdLoss, reference.nll / reference.alone, by: 4e-6)
      expect(score.alignment, (reference.alone - reference.nll) / targets, by: 2e-5)
      expect(score.learnability, (reference.nll - reference.other) / targets, by: 2e-5)
      expect(score.ifdPerplexity, _exp((reference.nll - reference.alone) / targets), by: 2e-5)
      #expect(score.tokenNLL?.count == 6)
      for (found, expected) in zip(score.tokenNLL ?? [], reference.quantiles) {
        expect(found, expected, by: 3e-5)
      }
    }
  }

  private func _exp(_ x: Double) -> Double {
    (1...30).reversed().reduce(1.0) { 1 + x / Double($1) * $0 }
  }
}
