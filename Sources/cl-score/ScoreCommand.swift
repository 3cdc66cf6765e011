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

      Signals:
      \(SignalCatalog.all.map { "  \($0.name)" }.joined(separator: "\n"))
      """,
    version: BuildInfo.version)

  @OptionGroup var common: CommonOptions

  @Argument(help: "Corpus files, plain or compressed; none or - is standard input.")
  var files: [String] = []

  @Option(help: "Format of the files; recognised by their names where it is not given.")
  var format: String?

  @Option(help: "Name of a field in your records, for example text=body. Repeatable.")
  var field: [String] = []

  @Option(help: "Window of the length score, in tokens (in words without a tokenizer).")
  var context: Int = 2048

  @Option(help: "Signals of the quality: all, none, or names with commas between.")
  var signals: String = "all"

  @Option(help: "Share of the length in the dual score, 0 to 1.")
  var lengthWeight: Double = 0.5

  @Option(help: "Write a summary of all records, one line of JSON, to this file.")
  var summary: String?

  mutating func validate() throws {
    if context < 1 { throw ValidationError("--context: expected 1 or more, found \(context)") }
    if !(0...1).contains(lengthWeight) {
      throw ValidationError("--length-weight: expected 0 to 1, found \(lengthWeight)")
    }
  }

  mutating func run(_ tool: Tool) throws {
    var options = RecordScorer.Options()
    options.signals = try SignalCatalog.select(signals)
    options.context = context
    options.lengthWeight = lengthWeight
    let paths = try tool.inputs(files)
    let corpus = Corpus(paths: paths, format: try format.map(CorpusCatalog.format(named:)))
    let pass = ScoringPass(layout: try layout(), options: options, threads: common.threadCount)
    let sink = try OutputSink(path: common.output)
    var totals = ScoreSummary(context: context)
    let progress = Progress(tool)
    let chunk = RecordChunk()
    var isAtEnd = false
    while !isAtEnd {
      chunk.removeAll()
      while !chunk.isFull {
        guard let line = try corpus.next() else {
          isAtEnd = true
          break
        }
        chunk.append(line.bytes, at: line.location)
      }
      for outcome in pass.score(chunk) {
        switch outcome {
        case .scored(let score, let line):
          totals.add(score, tokens: nil)
          try sink.write(line)
          try sink.write("\n")
        case .bad(let error):
          guard totals.skippedRecords < common.skipInvalid else { throw error }
          totals.skippedRecords += 1
          tool.reportSkipped(error)
        }
      }
      progress.show("\(totals.records) records")
    }
    progress.finish()
    try sink.close()
  }

  private func layout() throws -> RecordLayout {
    var layout = RecordLayout()
    for mapping in field {
      let parts = mapping.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, layout.map(parts[0], to: parts[1]) else {
        throw UsageError(
          "--field: expected NAME=FIELD, found \"\(mapping)\"",
          hint: "names are \(RecordLayout.fieldNames.joined(separator: ", "))")
      }
    }
    return layout
  }
}
