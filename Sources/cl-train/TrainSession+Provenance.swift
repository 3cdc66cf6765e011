// SPDX-License-Identifier: Apache-2.0
import Adapters
import CommandSupport
import Compute
import Examples
import Glibc
import LanguageModels
import Training

/// What a run says of itself, in the log and in the adapter.
extension TrainSession {
  /// Names the random streams of this run.
  static func path(_ options: TrainCommand) -> [String] {
    ["round-\(options.round)"] + (options.client.map { ["client-\($0)"] } ?? [])
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

  /// Largest resident memory of this process so far, bytes.
  static var peakMemory: Int {
    var usage = rusage()
    return getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 ? usage.ru_maxrss * 1024 : 0
  }
}
