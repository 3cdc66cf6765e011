// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Corpora
import Scoring
import Streams

/// Options about the quality that is measured against the corpus.
struct QualityOptions: ParsableArguments {
  @Option(
    help: """
      Judge each text by what is usual in the corpus too: self learns from the input (which is then read \
      twice; standard input is kept on disk meanwhile), a file was learnt before; none.
      """)
  var qualityModel: String?

  @Option(help: "Write the quality model that was learnt to this file, for other data to be scored alike.")
  var saveQualityModel: String?

  @Option(help: "Share of the quality model in the quality, 0 to 1.")
  var qualityModelWeight: Double = 0.5

  mutating func validate() throws {
    if !(0...1).contains(qualityModelWeight) {
      throw ValidationError(
        "--quality-model-weight: expected 0 to 1, found \(qualityModelWeight)")
    }
    if qualityModel == "none" { qualityModel = nil }
    if saveQualityModel != nil && qualityModel != "self" {
      throw ValidationError("--save-quality-model needs --quality-model self")
    }
  }

  /// Reads or learns the model that is asked for, and says where the records come from then.
  func prepare(
    _ pass: inout ScoringPass.Options, paths: [String], format: CorpusCatalog.Format?
  ) throws -> ScoreInput {
    let input = ScoreInput(paths: paths, format: format)
    pass.scorer.modelWeight = qualityModelWeight
    guard let qualityModel else { return input }
    if qualityModel != "self" {
      let model = try QualityModel(path: qualityModel)
      try model.check(signals: pass.scorer.signals, path: qualityModel)
      pass.scorer.qualityModel = model
      return input
    }
    let survey = CorpusSurvey(
      layout: pass.layout, threads: pass.threads, learner: QualityLearner())
    try input.survey(survey)
    let model = try survey.learner?.learn(pass.scorer, threads: pass.threads)
    pass.scorer.qualityModel = model
    if let saveQualityModel, let model {
      let sink = try OutputSink(path: saveQualityModel)
      try model.write(to: sink)
      try sink.close()
    }
    return input
  }
}
