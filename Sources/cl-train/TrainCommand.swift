// SPDX-License-Identifier: Apache-2.0
import Adapters
import ArgumentParser
import CommandSupport
import Compute
import Records
import Streams
import Training

extension Precision: ExpressibleByArgument {}

@main
struct TrainCommand: ToolCommand {
  static let toolName = "cl-train"
  static let configuration = CommandConfiguration(
    commandName: toolName,
    abstract: "Fine-tune a language model on one client's records with LoRA.",
    discussion: """
      Writes the adapter: safetensors with PEFT's names to standard output or -o FILE, or PEFT's pair of \
      files to -o DIR/.

        cl-train --model model.gguf shards/client-003.train.jsonl > c3.safetensors
        zstd -dc shard.jsonl.zst | cl-train --model model/ --adapter global.safetensors \
      --client 3 --round 2 --log c3.events.jsonl -o c3/
        cl-train --model model.gguf --steps 0 --rank 8 > round-0.safetensors
      """,
    version: BuildInfo.version)

  @OptionGroup var common: CommonOptions

  @Argument(help: "Records in JSON Lines, plain or compressed; none or - is standard input.")
  var files: [String] = []

  @Option(help: "Base model: a Hugging Face folder or a GGUF file.")
  var model: String

  @Option(help: "Name of the client, for the adapter's metadata and the random order.")
  var client: String?

  @Option(help: "Number of the round, for the adapter's metadata and the random order.")
  var round: Int = 0

  @OptionGroup(title: "What is adapted") var adapter: AdapterOptions
  @OptionGroup(title: "How it is trained") var loop: LoopOptions
  @OptionGroup(title: "Privacy") var privacy: PrivacyOptions

  @Option(help: "Name of a field in your records, for example text=body. Repeatable.")
  var field: [String] = []

  @Option(
    help: """
      Arithmetic of the large products: f32, or bf16, which is about twice as fast where the processor has \
      AVX512_BF16; factors, their gradients, norms, losses and the optimizer are f32 in any case.
      """)
  var precision: Precision = .float32

  @Option(help: "Memory to stay within, for example 700MiB or 2GiB; the more, the faster.")
  var memory: String?

  @Option(help: .hidden) var device: String = "cpu"

  @Flag(help: "Print what would be done, in one line of JSON, and stop.")
  var dryRun = false

  @Option(help: "Write training events in JSON Lines to this file.")
  var log: String?

  @Option(help: "Save the state of the run here, now and then and on SIGTERM, SIGINT or SIGUSR1.")
  var checkpoint: String?

  @Option(help: "Seconds between checkpoints; 0 is after every step.")
  var checkpointSeconds: Double = 60

  @Flag(help: "Go on from --checkpoint, if it exists.")
  var resume = false

  @Option(help: "Optimizer state to start from, if it exists, and to write at the end.")
  var optimizerState: String?

  func validate() throws {
    if round < 0 { throw ValidationError("--round: expected 0 or more, found \(round)") }
    if resume && checkpoint == nil {
      throw ValidationError("--resume needs --checkpoint FILE")
    }
    if !(checkpointSeconds >= 0) {
      throw ValidationError("--checkpoint-seconds: expected 0 or more")
    }
    _ = try memoryBudget()
  }

  /// What the optimizer does. Clipping the mean is of no use where each record's gradient is cut.
  var optimizer: OptimizerSettings {
    var settings = loop.optimizer(adapter)
    if privacy.dp { settings.clip = 0 }
    return settings
  }

  mutating func run(_ tool: Tool) throws {
    try privacy.check(loop, adapter)
    if !dryRun {
      try tool.refuseTerminal(common.output)
      try OutputCheck.canCreate(common.output)
    }
    let session = try TrainSession(self, tool)
    if dryRun { return try session.printPlan() }
    let trained = try session.train()
    let written = try write(trained, session)
    let outputs = try written.map { try Manifest.File(hashing: $0) }
    let inputs = try session.inputs.map { path in
      try session.pipes.first { $0.name == path } ?? Manifest.File(hashing: path)
    }
    try tool.writeManifest(
      common, inputs: inputs, outputs: outputs, kernels: session.kernels)
  }

  /// Writes the adapter and what stands beside it; a file gets its name last of all, so that who
  /// sees it finds the rest too.
  private func write(
    _ trained: TrainSession.Trained, _ session: TrainSession
  ) throws -> [String] {
    if AdapterWriter.isFolder(common.output) {
      let result = try AdapterWriter.write(trained.adapter, to: common.output)
      try session.finish(trained, adapterBytes: result.byteCount)
      return result.files
    }
    let sink = try OutputSink(path: common.output)
    let count = try AdapterWriter.write(trained.adapter, to: sink)
    try session.finish(trained, adapterBytes: count)
    try sink.close()
    return common.output == "-" ? [] : [common.output]
  }

  /// `--memory` in bytes; nil for no limit.
  func memoryBudget() throws -> Int? {
    try memory.map { try ByteSize.parse($0, option: "--memory") }
  }
}
