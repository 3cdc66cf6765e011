// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CommandSupport
import Partitioning
import Records
import Streams

@main
struct PartitionCommand: ToolCommand {
  static let toolName = "cl-partition"
  static let configuration = CommandConfiguration(
    commandName: toolName,
    abstract: "Divide records over clients on purpose unevenly, and measure how uneven.",
    discussion: """
      Writes DIR/client-000.train.jsonl, ..., DIR/plan.json; with --split none DIR/client-000.jsonl, ...

        cl-score --tokenizer model.gguf corpus.jsonl.zst |
          cl-partition --clients 8 --by length --alpha 0.1 -o shards
        cl-partition --clients 4 --by label:source --plan-only scored.jsonl | jq '.imbalance.axes[0].njs'
        cl-partition --describe shards | less

      Methods:
      \(PartitionerCatalog.all.map { "  \($0.name): \($0.summary)" }.joined(separator: "\n"))
      """,
    version: BuildInfo.version)

  @OptionGroup var common: CommonOptions

  @Argument(help: "JSON Lines, plain or compressed; none or - is standard input.")
  var files: [String] = []

  @Option(help: "Number of clients. natural, grouped and like know it themselves.")
  var clients: Int?

  @Option(help: "Property to divide by: \(PropertyChoice.expectation).")
  var by: String?

  @Option(help: "How to divide; the methods are listed above.")
  var method: String = "dirichlet"

  @Option(help: "Dirichlet concentration: the smaller, the more uneven.")
  var alpha: Double = PartitionRequest.defaultAlpha

  @Option(help: "Bins of the property: quantile:10 (the default), log2, or edges:64,256,1024.")
  var bins: String?

  @Option(help: "Records that each client gets at least.")
  var minRecords: Int = 1

  @Option(help: "Records that each client gets at most; the others are left out.")
  var maxRecords: Int?

  @Option(help: "Field whose equal values stay with one client, for example cl_score.cluster.")
  var groupBy: String?

  @Option(help: "Rounds of a federation: the plan says which clients take part in each.")
  var rounds: Int?

  @Option(help: "Clients of a round: a share such as 0.25, or a number.")
  var participation: String?

  @Option(help: "Chance that a client is there in a round.")
  var availability: Double?

  @Option(
    help: "Parts of each client's records, by shares that sum to 1; none keeps them together.")
  var split: String = "train=.8,validation=.1,test=.1"

  @Option(help: "Use only records of LOW..HIGH tokens (or words).")
  var keep: String?

  @Option(help: "Use only N records, drawn at random.")
  var sample: Int?

  @Option(help: "exact: all together, in two passes; hash: each by its content, in one pass.")
  var assign: String?

  @Option(help: "Assign by hash as this plan does: its clients, bins, shares, split and seed.")
  var plan: String?

  @Option(help: "Name of a field in your records, for example text=body. Repeatable.")
  var field: [String] = []

  @Option(help: "Format of the files; told by their content and names where it is not given.")
  var format: String?

  @Option(help: "What a record of plain text is: file, paragraph (between blank lines) or line.")
  var textUnit: String?

  @Option(help: "Pack the shards: gz or zst.")
  var compress: String?

  @Flag(help: "Write no shards, only the plan.")
  var planOnly = false

  @Flag(help: "Write no shards, but all records with their client as cl_shard.")
  var annotate = false

  @Flag(help: "Divide nothing: tell how uneven the shards in these folders or files are.")
  var describe = false

  mutating func run(_ tool: Tool) throws {
    if describe { return try describeShards(tool) }
    let request = try request()
    let paths = try tool.inputs(files)
    if request.usesHash { return try runHash(tool, request, paths) }
    let folder = writesShards ? try ShardFolder(common.output, request: request) : nil
    let scan = RecordScan(
      paths: paths, choice: request.choice, layout: try RecordLayout(fieldOptions: field),
      groupBy: groupBy, skipInvalid: common.skipInvalid,
      spoolFolder: planOnly ? nil : folder?.path ?? ShardFolder.temporary,
      open: try lineOpener())
    let progress = Progress(tool)
    try scan.read(onSkip: tool.reportSkipped) { count in progress.show("\(count) records read") }
    progress.finish()
    if annotate && scan.table.count == 0 { return try finish(tool, scan.inputs, nil, in: nil) }
    let outcome = try Plan.make(
      request, table: scan.table, inputs: scan.inputs,
      tool: "\(Self.toolName) \(BuildInfo.version)")
    var plan = outcome.plan
    if let folder {
      plan = try folder.write(outcome, from: scan, threads: common.threadCount)
    } else {
      let sink = try OutputSink(path: common.output)
      if annotate {
        try ShardAnnotation.write(outcome, from: scan, to: sink)
      } else {
        try sink.write(plan.json())
      }
      try sink.close()
    }
    show(plan, tool)
    try finish(tool, scan.inputs, plan, in: folder)
  }

  var writesShards: Bool { !planOnly && !annotate }

  func show(_ plan: Plan, _ tool: Tool) {
    tool.detail(PlanSummary.text(plan))
    for line in PlanSummary.picture(plan, Locale.picture) { tool.detail(line) }
  }

  func finish(
    _ tool: Tool, _ read: [Plan.Input], _ plan: Plan?, in folder: ShardFolder?
  ) throws {
    let skipped = read.reduce(0) { $0 + $1.skipped }
    if skipped > 0 { tool.note("\(skipped) bad lines skipped") }
    let inputs = read.map {
      Manifest.File(name: $0.name, bytes: $0.bytes, sha256: $0.sha256)
    }
    var outputs: [Manifest.File] = []
    if let plan, let folder {
      outputs = plan.files.flatMap { $0 }.map {
        Manifest.File(
          name: folder.file($0.name), bytes: $0.bytes ?? 0, sha256: $0.sha256 ?? "")
      }
      outputs.append(try Manifest.File(hashing: folder.planPath))
    }
    try tool.writeManifest(common, inputs: inputs, outputs: outputs)
  }
}
