// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CommandSupport
import Records
import Reporting
import Streams

/// From the files of a run, or a stream of records, to one HTML file.
@main
struct ReportCommand: ToolCommand {
  static let toolName = "cl-report"

  static let configuration = CommandConfiguration(
    commandName: "cl-report",
    abstract: "Write one self-contained HTML report about runs or scored records.",
    discussion: """
      RUN is the folder of a run (plan, shards, arms, evaluations), a file of JSON Lines, or - for \
      standard input. Several runs are put side by side.

        cl-report runs/demo -o report.html
        cl-score --model M --adapter global.safetensors heldout.jsonl | cl-report - > report.html
      """,
    version: BuildInfo.version)

  @Argument(help: ArgumentHelp("Folders of runs, files of JSON Lines, or -.", valueName: "run"))
  var runs: [String] = []

  @OptionGroup var common: CommonOptions

  mutating func run(_ tool: Tool) throws {
    let reader = RunReader(skipInvalid: common.skipInvalid) { tool.reportSkipped($0) }
    var read: [Run] = []
    for path in try tool.inputs(runs) {
      let run = try reader.read(path)
      for (type, count) in run.unknownLines.sorted(by: { $0.key < $1.key }) {
        tool.note("\(run.name): passed over \(count) lines of the unknown type \"\(type)\"")
      }
      read.append(run)
    }
    let page = try Report(runs: read, tool: "\(tool.name) \(BuildInfo.version)").html()
    let sink = try OutputSink(path: common.output)
    try sink.write(page)
    try sink.close()
    if common.output != "-" {
      for run in read {
        for sentence in Outcome(run).sentences { tool.note("\(run.name): \(sentence)") }
      }
      tool.note("the report is \(common.output)")
    }
    if common.manifest != nil {
      let outputs = common.output == "-" ? [] : [try Manifest.File(hashing: common.output)]
      let inputs = try read.flatMap(\.filesRead).map { try Manifest.File(hashing: $0) }
      try tool.writeManifest(common, inputs: inputs, outputs: outputs)
    }
  }
}
