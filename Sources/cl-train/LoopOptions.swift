// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CommandSupport
import Examples
import Training

extension ExampleOrder: ExpressibleByArgument {}
extension TrainOn: ExpressibleByArgument {}
extension LearningRateSchedule.Shape: ExpressibleByArgument {}

/// Options of the training loop.
struct LoopOptions: ParsableArguments {
  @Option(help: "Optimizer steps; 0 writes the adapter that all clients start from.")
  var steps: Int?

  @Option(help: "Passes over the records (1, unless --steps is given).")
  var epochs: Int?

  @Option(help: "Records of one step: as many as fit in so many tokens (4096).")
  var batchTokens: Int?

  @Option(help: "Records of one step: exactly so many.")
  var batchRecords: Int?

  @Option(help: "Longest record in tokens; the rest is cut off (the model's limit, at most 2048).")
  var context: Int?

  @Option(
    help: "Order of records: shuffled, as-is, length or quality.")
  var order: ExampleOrder = .shuffled

  @Option(help: "Targets where a record has a prompt: completion or all.")
  var trainOn: TrainOn = .completion

  @Option(help: "Chat template: auto (the model's own), none, or a name.")
  var chatTemplate: String = "auto"

  @Option(help: "Peak learning rate.")
  var learningRate: Double = 2e-4

  @Option(help: "Learning rate after the warmup: constant, linear or cosine.")
  var schedule: LearningRateSchedule.Shape = .linear

  @Option(help: "Warmup: a share of the steps below 1, or a number of steps.")
  var warmup: Double = 0.03

  @Option(help: "AdamW weight decay.") var weightDecay: Double = 0
  @Option(help: "AdamW beta1.") var beta1: Double = 0.9
  @Option(help: "AdamW beta2.") var beta2: Double = 0.999
  @Option(help: "AdamW epsilon.") var epsilon: Double = 1e-8
  @Option(help: "Largest global norm of the gradients; 0 is no clipping.") var clip: Double = 1

  func validate() throws {
    for (name, value, least) in [
      ("steps", steps, 0), ("epochs", epochs, 1), ("batch-tokens", batchTokens, 1),
      ("batch-records", batchRecords, 1), ("context", context, 2),
    ] {
      if let value, value < least || value > Int(Int32.max) {
        throw ValidationError("--\(name): expected \(least) or more, found \(value)")
      }
    }
    if steps != nil && epochs != nil {
      throw ValidationError("--steps and --epochs exclude each other")
    }
    if batchTokens != nil && batchRecords != nil {
      throw ValidationError("--batch-tokens and --batch-records exclude each other")
    }
    for (name, value) in [
      ("learning-rate", learningRate), ("warmup", warmup), ("weight-decay", weightDecay),
      ("epsilon", epsilon), ("clip", clip),
    ] where !(value >= 0 && value.isFinite) {
      throw ValidationError("--\(name): expected 0 or more, found \(value)")
    }
    for (name, value) in [("beta1", beta1), ("beta2", beta2)] where !(value >= 0 && value < 1) {
      throw ValidationError("--\(name): expected 0 or more and less than 1, found \(value)")
    }
    if warmup >= 1, warmup != warmup.rounded() || warmup > 1e9 {
      throw ValidationError(
        "--warmup: expected a share below 1 or a whole number of steps, found \(warmup)")
    }
  }

  var length: TrainingLength { steps.map { .steps($0) } ?? .epochs(epochs ?? 1) }

  var budget: BatchBudget {
    batchRecords.map { .records($0) } ?? .tokens(batchTokens ?? 4096)
  }

  func learningRates(steps: Int) -> LearningRateSchedule {
    let warmup: Warmup = warmup < 1 ? .share(warmup) : .steps(Int(warmup))
    return LearningRateSchedule(
      shape: schedule, peak: learningRate, warmupSteps: warmup.steps(of: steps),
      totalSteps: steps)
  }

  func optimizer(_ adapter: AdapterOptions) -> OptimizerSettings {
    var settings = OptimizerSettings()
    settings.beta1 = beta1
    settings.beta2 = beta2
    settings.epsilon = epsilon
    settings.weightDecay = weightDecay
    settings.clip = clip
    settings.frozen = adapter.freeze
    settings.loraPlusRatio = adapter.loraPlus
    settings.proximal = adapter.prox
    return settings
  }
}
