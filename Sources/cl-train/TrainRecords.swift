// SPDX-License-Identifier: Apache-2.0
import CommandSupport
import Corpora
import Examples
import LanguageModels
import Randomness
import Records
import Streams
import Tokenization
import Training

/// The records to train on, in the steps that take them, and where they came from.
struct TrainRecords {
  let plan: TrainingPlan
  /// nil without record-level privacy.
  let privacy: RecordPrivacy?
  /// Paths as given; `-` is standard input.
  let inputs: [String]
  /// Those of them that cannot be read again, with what was read; only for a manifest.
  let pipes: [Manifest.File]

  init(_ options: TrainCommand, _ tool: Tool, _ base: BaseModel) throws {
    let loop = options.loop
    var set = ExampleSet()
    var read: (inputs: [String], pipes: [Manifest.File]) = (options.files.filter { $0 != "-" }, [])
    if loop.steps != 0 {
      let encoding = loop.encoding(of: base)
      read.inputs = try tool.inputs(options.files)
      let reader = RecordReader(
        paths: read.inputs, layout: try RecordLayout(fieldOptions: options.field),
        skipInvalid: options.common.skipInvalid, read: { try Corpus.open($0) })
      reader.onSkip = { tool.reportSkipped($0) }
      reader.hashesPipes = options.common.manifest != nil
      let encoder = try ExampleEncoder(
        tokenizer: try Self.tokenizer(options.model), options: encoding,
        vocabularySize: base.config.vocabularySize)
      set = try ExampleSet(reading: reader, encoder: encoder)
      read.pipes = reader.pipes
    }
    (inputs, pipes) = read
    var path = ["round-\(options.round)"]
    if let client = options.client { path.append("client-\(client)") }
    let names = inputs.map { $0 == "-" ? InputSource.standardInputName : $0 }
    let (seed, source) = (Seed(options.common.seed), names.joined(separator: ", "))
    privacy = try options.privacy.settings(
      records: set.examples.count, expected: loop.batchRecords, round: options.round)
    if let privacy {
      plan = try TrainingPlan(
        set: set, privacy: privacy, length: loop.length, seed: seed, streamPath: path,
        source: source)
    } else {
      plan = try TrainingPlan(
        set: set, order: loop.order, budget: loop.budget, length: loop.length, seed: seed,
        streamPath: path, source: source)
    }
  }

  /// The model's tokenizer; nil where it has none, which records of `input_ids` do not need.
  static func tokenizer(_ model: String) throws -> Tokenizer? {
    do { return try Tokenizer.load(path: model) } catch TokenizerError.noTokenizer { return nil }
  }
}
