// SPDX-License-Identifier: Apache-2.0
import Compute
import Examples
import LanguageModels
import Randomness
import Records
import Safetensors
import Testing
import TestSupport
import Training

/// A trainer with the optimizer settings of the goldens: one step is all sequences.
func goldenTrainer(
  _ golden: Golden, _ model: LanguageModel, steps: Int = 10, rows: Int = 4096,
  settings change: (inout OptimizerSettings) -> Void = { _ in }
) throws -> Trainer {
  var set = ExampleSet()
  for (index, sequence) in golden.sequences.enumerated() {
    set.append(
      Example(tokens: sequence.tokens, isTarget: sequence.isTarget, context: 4096),
      at: RecordLocation(file: "golden", line: index + 1))
  }
  var settings = OptimizerSettings()
  settings.weightDecay = 0.01
  settings.clip = 0
  change(&settings)
  let plan = try TrainingPlan(
    set: set, order: .asIs, budget: .records(3), length: .steps(steps), seed: Seed(1),
    streamPath: [])
  return try Trainer(
    model: model, plan: plan,
    schedule: LearningRateSchedule(
      shape: .constant, peak: 2e-3, warmupSteps: 0, totalSteps: steps),
    settings: settings, rows: rows, baseDigest: "base", parent: nil)
}

func run(_ trainer: Trainer) throws -> [Double] {
  var losses: [Double] = []
  while !trainer.isFinished { losses.append(try trainer.step(clock: { 0 }).loss) }
  return losses
}

@Suite(.serialized) struct TrainingParityTests {
  @Test(arguments: Golden.names, deviceNames)
  func tenStepsEqualTheReference(name: String, device: String) throws {
    let golden = try Golden(name)
    let model = try golden.adaptedModel(on: try makeDevice(device))
    let losses = try run(try goldenTrainer(golden, model))
    for (index, loss) in losses.enumerated() {
      #expect(abs(loss - golden.losses[index]) <= Golden.lossTolerance, "step \(index + 1)")
    }
    let last = try model.score(PackedRow(golden.sequences)).reduce(0.0) { $0 + Double($1.nll) }
    #expect(abs(last / Double(golden.targets) - golden.losses[10]) <= Golden.lossTolerance)
    let file = try golden.adapterFile("adapter-final")
    let lora = try #require(model.lora)
    for (index, module) in lora.modules.enumerated() {
      for (factor, values) in [("A", lora.readA(index)), ("B", lora.readB(index))] {
        let expected = try file.tensor(Golden.name(module, factor)).floats()
        let difference = Golden.relativeDifference(values, expected)
        #expect(difference <= Golden.adapterTolerance, "\(module.path) \(factor)")
      }
      if let magnitude = lora.readMagnitude(index) {
        let expected = try file.tensor(Golden.magnitudeName(module)).floats()
        #expect(Golden.relativeDifference(magnitude, expected) <= Golden.adapterTolerance)
      }
    }
  }
}
