// SPDX-License-Identifier: Apache-2.0
import Compute
import Examples
package import LanguageModels
import Records
import Streams

/// Trains the adapters of a model on records: forward, backward, clip, update, step by step.
///
/// The loss of a step is the sum of its targets' losses over their number, whatever rows the step is
/// cut into. The run is a function of the model, the examples and the settings alone; stopping,
/// saving and resuming change nothing in it.
package final class Trainer {
  package let plan: TrainingPlan
  package let schedule: LearningRateSchedule
  package let optimizer: Optimizer
  /// Steps done so far.
  package private(set) var stepsDone = 0
  package private(set) var lossFirst: Double?
  package private(set) var lossLast: Double?
  /// Seconds that updates took.
  private var optimizerSeconds = 0.0

  private let model: LanguageModel
  private let lora: LoRAParameters
  private let rows: Int
  private let base: String
  private let dropout: RunDropout?
  private let privateGradients: PrivateGradients?
  /// Records of all steps before a step.
  private let firstNumbers: [Int]
  /// What identifies this run: the same text for the same model, records and settings.
  private let run: String

  /// - Parameters:
  ///   - model: holds the factors to start from.
  ///   - rows: longest packed row, tokens; longer records are rows of their own.
  ///   - parent: digest of the adapter that training starts from.
  ///   - dropout: masks of the run; nil without dropout.
  ///   - privacy: every record is a row of its own then, whatever `rows` is.
  /// - Throws: ``TrainingError/nothingToTrain``, ``TrainingError/model(_:)``.
  package init(
    model: LanguageModel, plan: TrainingPlan, schedule: LearningRateSchedule,
    settings: OptimizerSettings, rows: Int, baseDigest: String, parent: String?,
    dropout: RunDropout? = nil, privacy: RecordPrivacy? = nil
  ) throws(TrainingError) {
    guard let lora = model.lora else { throw .nothingToTrain }
    self.model = model
    self.lora = lora
    self.plan = plan
    self.schedule = schedule
    self.rows = rows
    self.dropout = dropout
    var numbers = [0]
    for step in plan.steps { numbers.append((numbers.last ?? 0) + step.count) }
    firstNumbers = numbers
    base = baseDigest
    optimizer = try Optimizer(lora: lora, device: model.device, settings: settings)
    privateGradients = try privacy.map { (privacy) throws(TrainingError) in
      try PrivateGradients(privacy, lora: lora, settings: settings, device: model.device)
    }
    run = Self.identity(
      plan: plan, lora: lora,
      text: "\(baseDigest) \(parent ?? "none") \(schedule) \(settings) \(rows) "
        + "\(model.device.precision) \(dropout.map { "\($0)" } ?? "") "
        + (privacy.map { "\($0)" } ?? ""))
  }

  package var isFinished: Bool { stepsDone >= plan.steps.count }

  /// Does one step: gradients of all its records, then one update.
  ///
  /// - Throws: ``TrainingError/notFinite(quantity:step:record:count:)``; the factors are then as
  ///   before the step.
  package func step(clock: () -> Double) throws(TrainingError) -> TrainingEvent.Step {
    let started = clock()
    let targets = plan.targets(of: stepsDone)
    optimizer.zeroGradients()
    let (sum, tokens) =
      privateGradients == nil
      ? try gradients(scale: 1 / Float(max(1, targets))) : try noisyGradients()
    let rate = schedule.rate(step: stepsDone)
    let updateStarted = clock()
    let norm = optimizer.update(learningRate: rate)
    optimizerSeconds += clock() - updateStarted
    guard norm.isFinite else {
      throw .notFinite(
        quantity: "gradient", step: stepsDone + 1,
        record: plan.set.locations[plan.steps[stepsDone].first ?? 0],
        count: plan.steps[stepsDone].count)
    }
    // By chance a step may have no record: it has the loss of the step before.
    let loss = targets == 0 ? lossLast ?? 0 : sum / Double(targets)
    if lossFirst == nil { lossFirst = loss }
    lossLast = loss
    stepsDone += 1
    return TrainingEvent.Step(
      step: stepsDone, loss: loss, targetTokens: targets, tokens: tokens, learningRate: rate,
      gradientNorm: norm, seconds: clock() - started, records: privateGradients?.records,
      clippedRecords: privateGradients?.clipped)
  }

  /// Tokens and targets of the steps done.
  package var totals: (tokens: Int, targets: Int) { plan.totals(steps: stepsDone) }

  /// Floating-point operations of the steps done, see `DecoderWork`.
  package var work: DecoderWork {
    var work = DecoderWork()
    for step in 0..<stepsDone {
      work += model.trainingWork(
        lengths: plan.steps[step].map { plan.set.examples[$0].tokens.count },
        targets: plan.targets(of: step))
    }
    return work
  }

  /// Where the time of the steps of this process went.
  package var profile: StepProfile {
    var profile = model.profile
    profile[.optimizer] += optimizerSeconds
    return profile
  }

  /// The gradients of a step, with the sum of its losses and its tokens.
  private func gradients(scale: Float) throws(TrainingError) -> (sum: Double, tokens: Int) {
    var (sum, tokens) = (0.0, 0)
    for part in plan.rows(of: stepsDone, limit: rows) {
      sum += try accumulate(part.row, examples: part.examples, scale: scale)
      tokens += part.row.count
    }
    return (sum, tokens)
  }

  /// ``gradients(scale:)`` with record-level privacy: record by record, each one's mean over its own
  /// targets, since a number of targets of the whole step would depend on all records.
  private func noisyGradients() throws(TrainingError) -> (sum: Double, tokens: Int) {
    guard let privateGradients else { return (0, 0) }
    var (sum, tokens) = (0.0, 0)
    privateGradients.begin()
    for part in plan.rows(of: stepsDone, limit: 1) {
      let scale = 1 / Float(max(1, part.row.targets.count))
      sum += try accumulate(part.row, examples: part.examples, scale: scale)
      tokens += part.row.count
      optimizer.clearFrozenRanks()
      guard privateGradients.take().isFinite else {
        throw .notFinite(
          quantity: "gradient", step: stepsDone + 1,
          record: plan.set.locations[part.examples[part.examples.startIndex]], count: 1)
      }
    }
    privateGradients.finish(path: [run, "step-\(stepsDone)"])
    return (sum, tokens)
  }

  private func accumulate(
    _ row: PackedRow, examples: ArraySlice<Int>, scale: Float
  ) throws(TrainingError) -> Double {
    let losses: [TargetLoss]
    do {
      losses = try model.accumulateGradients(
        row, gradientScale: scale, trainsA: optimizer.settings.trainsA,
        trainsB: optimizer.settings.trainsB,
        dropout: dropout?.row(examples.indices.map { firstNumbers[stepsDone] + $0 }))
    } catch {
      throw .model(error)
    }
    var sum = 0.0
    for (index, loss) in zip(examples, row.examples(losses)) {
      guard loss.nll.isFinite else {
        throw .notFinite(
          quantity: "loss", step: stepsDone + 1, record: plan.set.locations[index], count: 1)
      }
      sum += loss.nll
    }
    return sum
  }

  // MARK: Saved states

  /// The state after the steps done so far.
  ///
  /// - Parameter log: the lines that the log holds so far.
  package func checkpoint(log: [UInt8]) -> SavedState {
    var state = SavedState(kind: .checkpoint, base: base, updates: optimizer.updates)
    state.take("factor", from: lora.values, lora: lora, device: model.device)
    takeMoments(&state)
    state.run = run
    state.stepsDone = stepsDone
    state.lossFirst = lossFirst
    state.lossLast = lossLast
    state.log = log
    return state
  }

  /// Continues where a checkpoint was made.
  ///
  /// - Throws: ``TrainingError/foreignState(path:reason:)`` if another run made it.
  package func resume(path: String) throws(TrainingError) -> SavedState {
    let state = try SavedState(path: path, kind: .checkpoint, base: base, lora: lora)
    guard state.run == run, state.stepsDone <= plan.steps.count else {
      throw .foreignState(
        path: path, reason: "this checkpoint was made with other records or other options")
    }
    state.put("factor", into: lora.values, lora: lora, device: model.device)
    putMoments(state)
    stepsDone = state.stepsDone
    lossFirst = state.lossFirst
    lossLast = state.lossLast
    return state
  }

  /// Starts from the moments that an earlier round left.
  package func loadOptimizer(path: String) throws(TrainingError) {
    putMoments(try SavedState(path: path, kind: .optimizer, base: base, lora: lora))
  }

  /// Writes the moments for a later round.
  package func saveOptimizer(path: String) throws(TrainingError) {
    var state = SavedState(kind: .optimizer, base: base, updates: optimizer.updates)
    takeMoments(&state)
    try state.write(to: path, lora: lora)
  }

  /// Writes a checkpoint.
  package func saveCheckpoint(path: String, log: [UInt8]) throws(TrainingError) {
    try checkpoint(log: log).write(to: path, lora: lora)
  }

  private func takeMoments(_ state: inout SavedState) {
    let device = model.device
    state.take("first_moment", from: optimizer.firstMoment, lora: lora, device: device)
    state.take("second_moment", from: optimizer.secondMoment, lora: lora, device: device)
  }

  private func putMoments(_ state: SavedState) {
    let device = model.device
    state.put("first_moment", into: optimizer.firstMoment, lora: lora, device: device)
    state.put("second_moment", into: optimizer.secondMoment, lora: lora, device: device)
    optimizer.restore(updates: state.updates)
  }

  private static func identity(
    plan: TrainingPlan, lora: LoRAParameters, text: String
  ) -> String {
    let digest = ContentDigest()
    digest.update(text)
    for module in lora.modules { digest.update("\(module.path) \(module.rank) \(module.scale)\n") }
    for example in plan.set.examples {
      example.tokens.withUnsafeBytes { digest.update($0) }
      digest.update(example.isTarget.map { $0 ? 1 : 0 })
    }
    for step in plan.steps { digest.update("\(step)") }
    return digest.hexadecimal()
  }
}
