// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CommandSupport
import Corpora
import Records
import Scoring
import Streams

@main
struct ScoreCommand: ToolCommand {
  static let toolName = "cl-score"
  static let configuration = CommandConfiguration(
    commandName: toolName,
    abstract: "Measure the length and the quality of records, and what a model makes of them.",
    discussion: """
      Writes each record as it was read, with what was found as cl_score. Definitions: Documentation/scores.md.

        cl-score --tokenizer model.gguf corpus.jsonl.zst | cl-partition --clients 8 --by length -o shards
        cl-score --model model.gguf --adapter global.safetensors heldout.jsonl | cl-report - > report.html

      Formats:
      \(CorpusCatalog.all.map { "  \($0.name): \($0.summary)" }.joined(separator: "\n"))

      Signals: --list-signals says what there is.
      """,
    version: BuildInfo.version)

  @OptionGroup var common: CommonOptions
  @OptionGroup var encoding: EncodingOptions

  @Argument(help: "Corpus files, plain or compressed; none or - is standard input.")
  var files: [String] = []

  @Option(help: "Format of the files; told by their content and names where it is not given.")
  var format: String?

  @Option(help: "What plain text is cut into: file (the default), paragraph, line.")
  var textUnit: String?

  @Option(help: "Name of a field in your records, for example text=body. Repeatable.")
  var field: [String] = []

  @Option(
    help: """
      Signals to measure, with commas between: names, families (quality, gopher, c4, fineweb, repetition, \
      lexical, readability, characters, lines, words, language), all, none.
      """)
  var signals: String = "quality"

  @Flag(help: "Say which signals there are, and end.")
  var listSignals = false

  @Flag(help: "Score nothing: describe --model, --adapter and --tokenizer in a line of JSON.")
  var describe = false

  @OptionGroup var quality: QualityOptions

  @Option(help: "Share of the length in the dual score, 0 to 1.")
  var lengthWeight: Double = 0.5

  @Option(help: "Write what all records come to, one line of JSON, to this file.")
  var summary: String?

  mutating func validate() throws {
    if summary == "-" && common.output == "-" {
      throw ValidationError(
        "--summary -: the records go to standard output too; name a file for one of the two")
    }
    if !(0...1).contains(lengthWeight) {
      throw ValidationError("--length-weight: expected 0 to 1, found \(lengthWeight)")
    }
  }

  mutating func run(_ tool: Tool) throws {
    if listSignals { return try writeSignals() }
    if describe { return try describeModel() }
    let started = Clock.seconds()
    var options = ScoringPass.Options()
    options.layout = try RecordLayout(fieldOptions: field)
    options.threads = common.threadCount
    options.scorer.signals = try SignalCatalog.select(signals)
    options.scorer.lengthWeight = lengthWeight
    let paths = try tool.inputs(files)
    let input = ScoreInput(
      paths: paths, options: try CorpusOptions(format: format, textUnit: textUnit),
      tolerance: common.skipInvalid, takesDigests: common.manifest != nil,
      onSkip: tool.reportSkipped)
    let models = try encoding.apply(to: &options, threads: common.threadCount, tool)
    if encoding.questions.dryRun, let models {
      return try models.memory.print(
        models, path: encoding.model ?? "", context: options.scorer.context)
    }
    try quality.prepare(&options, input)
    let model = models?.provider
    // Without a model each thread has pieces of its own; with one it is the model that has threads.
    if model == nil { options.threads = 1 }
    let sink = try OutputSink(path: common.output)
    let totals = try score(
      input,
      with: ScoringPass(
        options, provider: model, reference: models?.reference, answerer: models?.answerer),
      into: sink,
      totals: ScoreSummary(context: options.scorer.context),
      pipelineThreads: model == nil ? common.threadCount : 1, tool)
    try sink.close()
    if let summary {
      var origin = ScoreSummary.Origin(
        tool: "\(Self.toolName) \(BuildInfo.version)", lengthWeight: lengthWeight)
      origin.signals = options.scorer.signals.map(\.id)
      origin.model = model?.baseDigest
      origin.adapter = model?.adapterDigest
      origin.reference = models?.reference?.baseDigest
      origin.referenceAdapter = models?.reference?.adapterDigest
      origin.qualityModel = quality.qualityModel
      let sink = try OutputSink(path: summary)
      try sink.write(totals.line(origin))
      try sink.close()
    }
    report(totals, context: options.scorer.context, seconds: Clock.seconds() - started, tool)
    try tool.writeManifest(
      common, inputs: common.manifest == nil ? [] : try input.digested(),
      outputs: try hashed([common.output, summary ?? "-", quality.saveQualityModel ?? "-"]), kernels: model?.kernels)
  }

  /// Name, families and meaning of every signal, a line each with tabs between.
  private func writeSignals() throws {
    let sink = try OutputSink(path: common.output)
    for signal in SignalCatalog.all {
      let families = signal.families.map(\.rawValue).joined(separator: ",")
      try sink.write("\(signal.name)\t\(families)\t\(signal.summary)\n")
    }
    try sink.close()
  }

  private func score(
    _ input: ScoreInput, with pass: ScoringPass, into sink: OutputSink, totals: ScoreSummary,
    pipelineThreads: Int, _ tool: Tool
  ) throws -> ScoreSummary {
    var totals = totals
    let progress = Progress(tool)
    let shared = PortablePass(pass: pass)
    func skip(_ error: any Error) throws {
      do {
        try input.skip(error)
      } catch {
        progress.finish()
        throw error
      }
    }
    try OrderedPipeline.run(
      threads: pipelineThreads,
      // Several pieces a thread are under way; a model wants many records for its rows.
      produce: {
        input.next(
          into: RecordChunk(byteLimit: pass.asksModel ? 1 << 20 : 1 << 18, recordLimit: 512))
      },
      state: { shared.pass.asksModel ? nil : shared.pass.makeWorker() },
      work: { worker, piece in
        guard let worker else {
          return ScoredPiece(piece, try shared.pass.score(piece.chunk, first: piece.first))
        }
        return ScoredPiece(
          piece, try shared.pass.score(piece.chunk, first: piece.first, by: worker))
      },
      consume: { scored in
        for outcome in scored.outcomes {
          switch outcome {
          case .scored(let record):
            totals.add(record.score, tokens: record.tokens, likelihood: record.likelihood)
            try sink.write(record.line)
            try sink.write("\n")
          case .bad(let error): try skip(error)
          }
        }
        if let problem = scored.piece.problem { try skip(problem) }
        progress.show("\(totals.records) records")
      })
    progress.finish()
    totals.skippedRecords = input.skippedRecords
    if input.entriesPassedOver > 0 {
      tool.note("\(input.entriesPassedOver) files in archives are of no known format")
    }
    return totals
  }

  /// The regular files among `paths`, with their digests, where a manifest is wanted.
  private func hashed(_ paths: [String]) throws -> [Manifest.File] {
    if common.manifest == nil { return [] }
    return try paths.filter { $0 != "-" && FileSystem.isRegularFile($0) }.map {
      try Manifest.File(hashing: $0)
    }
  }
}
