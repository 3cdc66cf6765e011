// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Corpora
import Scoring
import Streams

extension DuplicateKind: ExpressibleByArgument {}

/// Options about what has to see the whole corpus first: quality measured against it, duplicates.
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

  @Option(
    help: """
      Name the records that say the same (cluster, duplicate_of): exact, or near (MinHash). The input is \
      read twice.
      """)
  var duplicates: DuplicateKind?

  @Option(help: "Share of equal MinHashes from which on texts are near-duplicates, 0 to 1.")
  var duplicateThreshold: Double = 0.7

  mutating func validate() throws {
    if !(0...1).contains(qualityModelWeight) {
      throw ValidationError(
        "--quality-model-weight: expected 0 to 1, found \(qualityModelWeight)")
    }
    if !(0...1).contains(duplicateThreshold) {
      throw ValidationError(
        "--duplicate-threshold: expected 0 to 1, found \(duplicateThreshold)")
    }
    if qualityModel == "none" { qualityModel = nil }
    if saveQualityModel != nil && qualityModel != "self" {
      throw ValidationError("--save-quality-model needs --quality-model self")
    }
  }

  /// Reads or learns the model that is asked for; the input starts again after it was surveyed.
  func prepare(_ pass: inout ScoringPass.Options, _ input: ScoreInput) throws {
    pass.scorer.modelWeight = qualityModelWeight
    if let qualityModel, qualityModel != "self" {
      let model = try QualityModel(path: qualityModel)
      try model.check(signals: pass.scorer.signals, path: qualityModel)
      pass.scorer.qualityModel = model
    }
    let learner = qualityModel == "self" ? QualityLearner() : nil
    let finder = try duplicates.map { try DuplicateFinder($0, threshold: duplicateThreshold) }
    if learner == nil && finder == nil { return }
    try input.survey(
      CorpusSurvey(
        layout: pass.layout, threads: pass.threads, learner: learner, duplicates: finder))
    pass.clusters = try finder?.finish()
    if let model = try learner?.learn(pass.scorer, threads: pass.threads) {
      pass.scorer.qualityModel = model
      if let saveQualityModel {
        let sink = try OutputSink(path: saveQualityModel)
        try model.write(to: sink)
        try sink.close()
      }
    }
  }
}
