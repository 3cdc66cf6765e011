// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import ArgumentParser
import CommandSupport
import Records
import Safetensors
import Streams

@main
struct AggregateCommand: ToolCommand {
  static let toolName = "cl-aggregate"
  static let configuration = CommandConfiguration(
    commandName: toolName,
    abstract: "Make one LoRA adapter of many clients' adapters.",
    discussion: """
      Reads safetensors files and PEFT folders, or files back to back on standard input; needs no base model.

        cat c*.safetensors | cl-aggregate > global.safetensors
        cl-aggregate round-1/client-*.safetensors --weights target-tokens --report - -o global/ |
          jq '.drift'
        cl-aggregate global.safetensors --format gguf --model model.gguf -o global.gguf
        cl-aggregate global/ --merge model/ --dtype bf16 -o merged/

      Rules:
      \(RuleCatalog.all.map { "  \($0.name): \($0.summary)\n    \($0.source)" }.joined(separator: "\n"))
      """,
    version: BuildInfo.version)

  @OptionGroup var common: CommonOptions

  @Argument(help: "Adapters: safetensors files or PEFT folders; none or - is standard input.")
  var files: [String] = []

  @Option(help: "How adapters are put together; the rules are listed above.")
  var rule: String = "fedavg"

  @Option(
    help: """
      What a client weighs: records, tokens, target-tokens, steps, quality (of its tokens), uniform, \
      or a file of client and weight (default: records; uniform for rules that take all alike).
      """)
  var weights: String?

  @Option(help: "Favour clients of high quality by exp(this times their standing in -2...2).")
  var qualityWeight: Double = 0

  @Option(help: "Favour clients of long records by (tokens a record over the mean) to this power.")
  var lengthWeight: Double = 0

  @Option(help: "No client weighs more than this share, 0 to 1; the rest goes to the others.")
  var maxWeight: Double?

  @OptionGroup(title: "Options of single rules") var ruleOptions: RuleArguments
  @OptionGroup(title: "Server optimizer") var serverOptions: ServerArguments
  @OptionGroup(title: "Privacy and trust") var privacyOptions: PrivacyArguments

  @OptionGroup(title: "Other forms of the result") var form: ModelOutput

  @Option(help: "Go on without refused adapters while this many are left (default: all).")
  var minClients: Int?

  @Option(help: "Write diagnostics (weights, drift by module) as JSON Lines to this file.")
  var report: String?

  @Option(
    help: """
      Write values as f32 (the default), f16, bf16, or int8 (64 values share a scale; for our tools only). \
      With --merge the type of the weights (default: as they are).
      """)
  var dtype: AdapterEncoding?

  @Flag(help: "Aggregate nothing: describe each adapter in a line of JSON.")
  var describe = false

  mutating func run(_ tool: Tool) throws {
    if describe { return try describeAll(tool) }
    if let minClients, minClients < 1 {
      throw UsageError("--min-clients: expected 1 or more, found \(minClients)")
    }
    if report == "-" && common.output == "-" {
      throw UsageError("adapter and report cannot both go to standard output")
    }
    try form.check(output: common.output, dtype: dtype)
    try tool.refuseTerminal(common.output)
    let parent = try ruleOptions.parent.map { try AdapterReader.open(path: $0) }
    let server = try serverOptions.optimizer()
    let isSingle = form.isConversion && files.count == 1 && files != ["-"]
    let job = try AggregationJob(
      rule: try ruleOptions.entry(rule, adapter: common.output, report: report),
      options: ruleOptions.options(seed: common.seed),
      weights: weights.map { WeightChoice($0) } ?? (isSingle ? .uniform : nil),
      shaping: WeightShaping(
        quality: qualityWeight, length: lengthWeight, maximum: maxWeight),
      minimumClients: minClients, toleratedRefusals: common.skipInvalid,
      parent: parent, server: server, trust: try privacyOptions.trust(),
      privacy: try privacyOptions.privacy(parent: parent),
      secure: try privacyOptions.secure(seed: common.seed), threads: common.threadCount, tool: "\(Self.toolName) \(BuildInfo.version)")
    let paths = try tool.inputs(files)
    let (adapters, refused) = try open(paths)
    let clock = ContinuousClock()
    let started = clock.now
    let outcome = try job.run(
      adapters, refused: refused, withDigests: report != nil,
      serverState: try serverOptions.savedState(server, parent: parent),
      onRefusal: { tool.reportSkipped($0.error) })
    tool.detail("computed in \(Self.milliseconds(clock.now - started)) ms")
    if let guarantee = outcome.guarantee { tool.note(guarantee.text) }
    if let secure = outcome.secure { tool.note(secure.text) }
    let encoding = form.merge == nil ? dtype ?? .float32 : .float32
    let result = outcome.adapter.rounded(to: encoding)
    if encoding != .float32 { try tellLoss(tool, outcome.adapter, result, encoding) }
    for warning in outcome.warnings { tool.note("warning: \(warning)") }
    if let report {
      // Before the adapter, so that an adapter that exists has its report beside it.
      let sink = try OutputSink(path: report)
      try sink.write(
        AggregationReport(outcome, of: job).line(
          digest: result.digest(), bytesOut: try AdapterWriter.byteCount(result, as: encoding)))
      try sink.close()
    }
    // Before the adapter for the same reason.
    if let path = ruleOptions.residual, let residual = outcome.result.residual {
      try AdapterWriter.write(residual, to: path, as: encoding)
    }
    if let path = ruleOptions.exact, let exact = outcome.result.exact {
      try AdapterWriter.write(exact, to: path, as: encoding)
    }
    if let path = serverOptions.state {
      try outcome.serverState?.write(to: path, for: result)
    }
    try privacyOptions.save(outcome, parent: parent, digest: result.digest())
    try ruleOptions.writePersonal(outcome, of: job.rule)
    let written = try form.write(
      result, to: common.output, as: dtype, threads: common.threadCount)
    let effective = 1 / outcome.round.weights.reduce(0) { $0 + $1 * $1 }
    if let truncation = outcome.truncation {
      tool.detail("cut to rank: \(truncation.error) of \(truncation.norm) is left out, the least possible")
    }
    tool.detail("as many as \(effective) clients of equal weight")
    tool.detail(
      "\(outcome.round.clients.count) adapters of \(outcome.adapter.parameterCount) parameters")
    // Only then: digests of the inputs cost more than the mean.
    if common.manifest == nil { return }
    try tool.writeManifest(
      common, inputs: try paths.flatMap(Self.inputFiles).map { try Manifest.File(hashing: $0) },
      outputs: try written.map { try Manifest.File(hashing: $0) })
  }

  private static func milliseconds(_ duration: Duration) -> Double {
    let (seconds, attoseconds) = duration.components
    return Double(seconds) * 1000 + Double(attoseconds / 1_000_000_000_000) / 1000
  }

  private func describeAll(_ tool: Tool) throws {
    let (adapters, refused) = try open(try tool.inputs(files))
    if let first = refused.first, common.skipInvalid == 0 { throw first.error }
    let sink = try OutputSink(path: common.output)
    for file in adapters {
      try sink.write(AdapterDescription(file, threads: common.threadCount).line)
    }
    try sink.close()
    refused.forEach { tool.reportSkipped($0.error) }
  }

  /// What rounding to `--dtype` cost, as a share of the update's norm.
  private func tellLoss(
    _ tool: Tool, _ exact: Adapter, _ rounded: Adapter, _ dtype: AdapterEncoding
  ) throws {
    let loss = EncodingLoss(exact, rounded)
    guard loss.isFinite else {
      throw UsageError("--dtype \(dtype.rawValue): a value is beyond what it can hold")
    }
    tool.note(
      "\(dtype.rawValue): values within \(loss.largest), update within \(loss.relative) of its norm")
  }
}

extension AdapterEncoding: ExpressibleByArgument {}
