// SPDX-License-Identifier: Apache-2.0
import Adapters
import CommandSupport
import Compute
import Devices
import Examples
import Glibc
import LanguageModels
import Randomness
import Records
import Streams
import Training

/// A model, the records to train it on, and the way from the one to the other.
struct TrainSession {
  let device: any Device
  let options: TrainCommand
  private let tool: Tool
  let base: BaseModel
  let baseDigest: String
  let model: LanguageModel
  private let config: AdapterConfig
  let parent: String?
  /// What the records were read from, and those of it that cannot be read again.
  let inputs: [String]
  let pipes: [Manifest.File]
  let plan: TrainingPlan
  let privacy: RecordPrivacy?
  let memory: TrainingMemory
  private let events: EventLog
  private let started = Clock.seconds()
  /// Seconds from the start of the process to the first product.
  private let startup: Double

  /// What training made.
  struct Trained {
    let adapter: Adapter
    let trainer: Trainer
  }

  init(_ options: TrainCommand, _ tool: Tool) throws {
    self.options = options
    self.tool = tool
    base = try BaseModel(path: options.model)
    baseDigest = base.digest()
    let records = try TrainRecords(options, tool, base)
    (plan, inputs, pipes) = (records.plan, records.inputs, records.pipes)
    privacy = records.privacy
    device = try DeviceCatalog.make(
      options.device, threads: options.common.threadCount, precision: options.precision)
    if device.precision != options.precision {
      tool.note(DeviceCatalog.notice(of: device, wanted: options.precision))
    }
    var start = try options.adapter.adapter.map { try AdapterReader.read(path: $0) }
    if let dropout = options.adapter.dropout { start?.config.dropout = dropout }
    let settings = try options.adapter.settings(startingFrom: start?.config)
    try options.privacy.checkFactors(isDecomposed: settings.isDecomposed, options.adapter)
    if settings.isDecomposed && settings.dropout > 0 {
      throw UsageError("DoRA is trained without dropout", hint: "--dropout 0")
    }
    if let start {
      model = try Self.continued(start, base, baseDigest, settings, device, options.adapter)
      config = start.config
    } else {
      model = try LanguageModel(
        base: base, modules: try settings.modules(of: base.config), device: device)
      try model.initialise(seed: Seed(options.common.seed), settings.initialisation)
      config = settings.writtenConfig(
        of: base.config, modules: model.lora?.modules ?? [],
        baseModelName: FileSystem.lastComponent(options.model))
    }
    parent = start?.digest()
    memory = try MemoryChoice(
      for: plan, model: model, optimizer: options.optimizer,
      savesCheckpoints: options.checkpoint != nil, isPrivate: privacy != nil
    ).memory(budget: try options.memoryBudget())
    events = EventLog(path: options.dryRun ? nil : options.log)
    startup = ProcessAge.seconds()
  }

  /// A model with the adapter `start`; options that describe another adapter are refused.
  private static func continued(
    _ start: Adapter, _ base: BaseModel, _ digest: String, _ settings: LoRASettings,
    _ device: any Device, _ options: AdapterOptions
  ) throws -> LanguageModel {
    if let made = start.provenance?.base, made != digest {
      throw ModelError.adapterMismatch(
        module: options.adapter ?? "", expected: "base model \(digest.prefix(12))…",
        found: "an adapter of \(made.prefix(12))…")
    }
    let modules = try LoRAModule.modules(of: start, config: base.config)
    if options.describesShape {
      let asked = try settings.modules(of: base.config)
      guard asked == modules else {
        throw UsageError(
          "--adapter has another rank, alpha or other modules than the options say",
          hint: "leave them out: they come from the adapter")
      }
    }
    return try LanguageModel(base: base, adapter: start, device: device)
  }

  /// What computes, for manifests.
  var kernels: String { device.summary }

  // MARK: Training

  func train() throws -> Trained {
    try model.allocate(memory.plan, trains: true)
    let trainer = try Trainer(
      model: model, plan: plan, schedule: options.loop.learningRates(steps: plan.steps.count),
      settings: options.optimizer, rows: memory.plan.rows, baseDigest: baseDigest,
      parent: parent,
      dropout: config.dropout == 0
        ? nil
        : RunDropout(
          rate: config.dropout, seed: Seed(options.common.seed),
          path: Self.path(options) + (privacy.map { [$0.secretName] } ?? [])),
      privacy: privacy)
    if let path = options.optimizerState, FileSystem.exists(path) {
      try trainer.loadOptimizer(path: path)
    }
    if options.resume, let path = options.checkpoint, FileSystem.exists(path) {
      let state = try trainer.resume(path: path)
      tool.note("resumed after step \(trainer.stepsDone) of \(plan.steps.count)")
      try events.restore(state.log)
    } else {
      try events.write(.start(startEvent()))
    }
    try loop(trainer)
    guard let lora = model.lora else { throw TrainingError.nothingToTrain }
    // Nothing is trained any more: what is left to do makes copies of the factors.
    model.releaseBuffers()
    return Trained(
      adapter: lora.adapter(config: config, provenance: provenance(trainer)), trainer: trainer)
  }

  private func loop(_ trainer: Trainer) throws {
    if options.checkpoint != nil { Signals.stopGracefully() }
    let progress = Progress(tool)
    var saved = Clock.seconds()
    while !trainer.isFinished {
      let step = try trainer.step(clock: Clock.seconds)
      try events.write(.step(step))
      progress.show(Self.line(step, of: plan.steps.count), force: trainer.isFinished)
      guard let path = options.checkpoint, !trainer.isFinished else { continue }
      let isDue = Clock.seconds() - saved >= options.checkpointSeconds
      if isDue || Signals.shouldStop {
        try trainer.saveCheckpoint(path: path, log: events.lines)
        saved = Clock.seconds()
      }
      if Signals.shouldStop {
        progress.finish()
        tool.note("stopped after step \(trainer.stepsDone); --resume goes on from \(path)")
        throw EarlyExit(.tryAgain)
      }
    }
    progress.finish()
  }

  /// Writes the log's end and the optimizer's state, and removes the checkpoint.
  func finish(_ trained: Trained, adapterBytes: Int) throws {
    let trainer = trained.trainer
    if let path = options.optimizerState { try trainer.saveOptimizer(path: path) }
    var end = TrainingEvent.End(client: options.client, round: options.round)
    end.steps = trainer.stepsDone
    (end.tokens, end.targetTokens) = trainer.totals
    end.lossFirst = trainer.lossFirst
    end.lossLast = trainer.lossLast
    end.seconds = Clock.seconds() - started
    end.startupSeconds = startup
    end.flops = trainer.work.total
    end.profile = trainer.profile
    end.peakMemoryBytes = Self.peakMemory
    end.adapterBytes = adapterBytes
    end.adapter = trained.adapter.digest()
    try events.write(.end(end))
    try events.close()
    if let path = options.checkpoint { unlink(path) }
    if let guarantee { tool.note(guarantee.text) }
    if let line = ProfileLine.text(trainer.profile, work: trainer.work) { tool.detail(line) }
    if let first = end.lossFirst, let last = end.lossLast {
      tool.detail(
        "\(end.steps) steps, \(end.tokens) tokens in \(Self.rounded(end.seconds, 1)) s, "
          + "loss \(Self.rounded(first, 4)) to \(Self.rounded(last, 4))")
    }
  }

  // MARK: Words

  private static func line(_ step: TrainingEvent.Step, of total: Int) -> String {
    let speed = step.seconds > 0 ? Int(Double(step.tokens) / step.seconds) : 0
    return "step \(step.step)/\(total), loss \(rounded(step.loss, 4)), \(speed) tokens/s"
  }

  private static func rounded(_ value: Double, _ digits: Int) -> String {
    let factor = digits == 1 ? 10.0 : 10_000.0
    return "\((value * factor).rounded() / factor)"
  }
}
