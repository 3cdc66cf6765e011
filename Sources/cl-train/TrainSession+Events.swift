// SPDX-License-Identifier: Apache-2.0
import Adapters
import CommandSupport
import Compute
import Examples
import Glibc
import LanguageModels
import Streams
import Training

// What a training says about itself: the events of its log, and where its adapter comes from.

extension TrainSession {
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

  var guarantee: RecordPrivacy.Guarantee? {
    privacy?.guarantee(steps: plan.steps.count)
  }

  func startEvent() -> TrainingEvent.Start {
    var start = TrainingEvent.Start(client: options.client, round: options.round)
    let counts = plan.set.counts
    start.records = plan.set.examples.count
    start.tokens = plan.set.lengths.reduce(0, +)
    start.targetTokens = counts.targetTokens
    start.truncatedRecords = counts.truncatedRecords
    start.truncatedTargetTokens = counts.truncatedTargetTokens
    start.lostRecords = counts.lostRecords
    start.steps = plan.steps.count
    start.trainableParameters = trainableParameters
    start.base = baseDigest
    start.parent = parent
    start.kernels = device.summary
    start.threads = options.common.threadCount
    start.precision = device.precision.rawValue
    start.privacy = guarantee?.text
    return start
  }

  var trainableParameters: Int {
    guard let lora = model.lora else { return 0 }
    return (options.adapter.freeze == .a ? 0 : lora.countA)
      + (options.adapter.freeze == .b ? 0 : lora.countB) + lora.countMagnitude
  }

  func provenance(_ trainer: Trainer) -> AdapterProvenance {
    var provenance = AdapterProvenance(tool: "\(TrainCommand.toolName) \(BuildInfo.version)")
    provenance.base = baseDigest
    provenance.parent = parent
    provenance.client = options.client
    provenance.round = options.round
    provenance.seed = options.common.seed
    if let privacy {
      // Exact sums over the records would tell of each of them.
      provenance.records = privacy.records
      provenance.privacy = guarantee?.text
    } else {
      let seen = plan.seen
      provenance.records = seen.records
      provenance.tokens = seen.tokens
      provenance.targetTokens = seen.targets
      provenance.qualityTokens = seen.qualityTokens
    }
    provenance.steps = trainer.stepsDone
    provenance.trained = trainer.optimizer.settings.trained
    return provenance
  }

  // MARK: Words

  static func line(_ step: TrainingEvent.Step, of total: Int) -> String {
    let speed = step.seconds > 0 ? Int(Double(step.tokens) / step.seconds) : 0
    return "step \(step.step)/\(total), loss \(rounded(step.loss, 4)), \(speed) tokens/s"
  }

  private static func rounded(_ value: Double, _ digits: Int) -> String {
    let factor = digits == 1 ? 10.0 : 10_000.0
    return "\((value * factor).rounded() / factor)"
  }

  /// Largest resident memory of this process so far, bytes.
  private static var peakMemory: Int {
    var usage = rusage()
    return getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 ? usage.ru_maxrss * 1024 : 0
  }
}
