// SPDX-License-Identifier: Apache-2.0
import Compute
import Examples
import LanguageModels
import Privacy
import Randomness
import TestSupport
import Testing
import Training

/// DP-SGD by record: what is cut, what is added, what it guarantees, and that a run repeats.
@Suite struct RecordPrivacyTests {
  static let secret = Array("sixteen bytes or more".utf8)

  private func privacy(
    clip: Double = 0.5, noise: Double = 1, expected: Int = 4, records: Int = 12, rounds: Int = 1,
    secret: [UInt8] = secret
  ) throws -> RecordPrivacy {
    try RecordPrivacy(
      clipNorm: clip, noise: noise, delta: 1e-5, expectedRecords: expected, records: records,
      rounds: rounds, secret: secret)
  }

  private func norm(_ values: [Double]) -> Double {
    values.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }

  private func distance(_ left: [Double], _ right: [Double]) -> Double {
    norm(zip(left, right).map { $0 - $1 })
  }

  // MARK: Gradients

  /// The slope of a record's mean loss along every value of every factor.
  private func slopes(
    _ model: LanguageModel, _ lora: LoRAParameters, _ example: Example
  ) throws -> [Double] {
    let row = PackedRow([(tokens: example.tokens, isTarget: example.isTarget)])
    let start = model.device.read(lora.values)
    func loss(_ values: [Float]) throws -> Double {
      values.withUnsafeBufferPointer { model.device.write($0, to: lora.values) }
      return try model.score(row).reduce(0) { $0 + Double($1.nll) } / Double(example.targetCount)
    }
    defer { start.withUnsafeBufferPointer { model.device.write($0, to: lora.values) } }
    return try start.indices.map { place in
      let ends = try [Float(0.01), -0.01].map { step in
        var moved = start
        moved[place] += step
        return try loss(moved)
      }
      return (ends[0] - ends[1]) / 0.02
    }
  }

  @Test func theStepIsTheMeanOfClippedSlopes() throws {
    let model = try TinyModel.make()
    let lora = try #require(model.lora)
    let set = TinyModel.records(5)
    let slopes = try set.examples.map { try self.slopes(model, lora, $0) }
    // Some are cut, some are not; the denominator is not the number of records.
    let bound = norm(slopes.sorted { norm($0) < norm($1) }[2])
    let gradients = try PrivateGradients(
      try privacy(clip: bound, noise: 1e-9, expected: 7), lora: lora,
      settings: OptimizerSettings(), device: model.device)
    gradients.begin()
    model.device.fill(lora.gradients, with: 0)
    for (example, slope) in zip(set.examples, slopes) {
      _ = try model.accumulateGradients(
        PackedRow([(tokens: example.tokens, isTarget: example.isTarget)]),
        gradientScale: 1 / Float(example.targetCount))
      let found = gradients.take()
      #expect(abs(found - norm(slope)) <= 0.01 * norm(slope))
    }
    #expect(gradients.records == 5)
    #expect(gradients.clipped == 2 || gradients.clipped == 3)
    gradients.finish(path: ["x"])
    let found = model.device.read(lora.gradients).map(Double.init)
    var expected = [Double](repeating: 0, count: found.count)
    for slope in slopes {
      let share = min(1, bound / norm(slope)) / 7
      for place in expected.indices { expected[place] += share * slope[place] }
    }
    #expect(distance(found, expected) <= 0.01 * norm(expected))
  }

  /// One record more or less moves the mean by C/m at most, however steep it is.
  @Test func aRecordMovesTheMeanByTheBoundAtMost() throws {
    let model = try TinyModel.make()
    let lora = try #require(model.lora)
    let privacy = try self.privacy(clip: 0.25, noise: 1e-9, expected: 3)
    let set = TinyModel.records(3)
    func mean(without left: Int?, scale: Float) throws -> [Double] {
      let gradients = try PrivateGradients(
        privacy, lora: lora, settings: OptimizerSettings(), device: model.device)
      gradients.begin()
      model.device.fill(lora.gradients, with: 0)
      for (index, example) in set.examples.enumerated() where index != left {
        _ = try model.accumulateGradients(
          PackedRow([(tokens: example.tokens, isTarget: example.isTarget)]),
          gradientScale: index == 1 ? scale : 1)
        _ = gradients.take()
      }
      gradients.finish(path: ["x"])
      return model.device.read(lora.gradients).map(Double.init)
    }
    for scale: Float in [1e-6, 1, 1e20] {
      let all = try mean(without: nil, scale: scale)
      let distance = self.distance(all, try mean(without: 1, scale: scale))
      #expect(distance <= 0.25 / 3 * (1 + 1e-5))
      if scale >= 1 { #expect(distance >= 0.25 / 3 * (1 - 1e-4)) }
    }
  }

  @Test(arguments: [nil, FrozenFactor.a, .b])
  func noiseHasItsDeviationAndStaysOnWhatIsTrained(frozen: FrozenFactor?) throws {
    let model = try TinyModel.make()
    let lora = try #require(model.lora)
    var settings = OptimizerSettings()
    settings.frozen = frozen
    let privacy = try self.privacy(clip: 3, noise: 0.7, expected: 5)
    #expect(abs(privacy.deviation - 0.42) < 1e-15)
    let gradients = try PrivateGradients(
      privacy, lora: lora, settings: settings, device: model.device)
    let trained = frozen == .a ? lora.countA..<lora.count : 0..<(frozen == .b ? lora.countA : lora.count)
    var all: [[Float]] = []
    for step in 0..<60 {
      gradients.begin()
      model.device.fill(lora.gradients, with: 0)
      gradients.finish(path: ["step-\(step)"])
      let values = model.device.read(lora.gradients)
      #expect(values.indices.allSatisfy { trained.contains($0) == (values[$0] != 0) })
      all.append(Array(values[trained]))
    }
    let values = all.joined().map(Double.init)
    let count = Double(values.count)
    let variance = values.reduce(0) { $0 + $1 * $1 } / count
    // Five standard errors: √(2/n) of the variance, √(1/n) of the deviation.
    #expect(abs(variance / (0.42 * 0.42) - 1) < 5 * (2 / count).squareRoot())
    #expect(abs(values.reduce(0, +) / count) < 5 * 0.42 / count.squareRoot())
    // Another step has other noise.
    let product = zip(all[0], all[1]).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    #expect(abs(product) < 5 * 0.42 * 0.42 * Double(trained.count).squareRoot())
  }

  // MARK: Draws and guarantee

  @Test func everyRecordIsDrawnWithItsRate() throws {
    let set = TinyModel.records(40)
    let privacy = try self.privacy(expected: 10, records: 40)
    let plan = try TrainingPlan(
      set: set, privacy: privacy, length: .steps(500), seed: Seed(1), streamPath: ["round-1"])
    let sizes = plan.steps.map { Double($0.count) }
    let mean = sizes.reduce(0, +) / 500
    // 40 draws of 1/4: mean 10, variance 7.5; five standard errors.
    #expect(abs(mean - 10) < 5 * (7.5 / 500).squareRoot())
    let variance = sizes.reduce(0) { $0 + ($1 - 10) * ($1 - 10) } / 500
    #expect(abs(variance / 7.5 - 1) < 5 * (2.0 / 500).squareRoot())
    for record in 0..<40 {
      let count = plan.steps.count { $0.contains(record) }
      #expect(abs(Double(count) - 125) < 5 * (500.0 * 3 / 16).squareRoot())
    }
    // 2 epochs of a quarter each step.
    let epochs = try TrainingPlan(
      set: set, privacy: privacy, length: .epochs(2), seed: Seed(1), streamPath: ["round-1"])
    #expect(epochs.steps == Array(plan.steps.prefix(8)))
    for other in [
      try TrainingPlan(
        set: set, privacy: try self.privacy(expected: 10, records: 40, secret: Self.secret + [1]),
        length: .steps(8), seed: Seed(1), streamPath: ["round-1"]),
      try TrainingPlan(
        set: TinyModel.records(40, seed: 6), privacy: privacy, length: .steps(8), seed: Seed(1),
        streamPath: ["round-1"]),
      try TrainingPlan(
        set: set, privacy: privacy, length: .steps(8), seed: Seed(1), streamPath: ["round-2"]),
    ] { #expect(other.steps != epochs.steps) }
  }

  /// Opacus' analysis/rdp.py, the vectors of PrivacyTests.
  @Test(arguments: [
    (1, 100, 1.1, 1000, 1, 1e-5, 1.711770), (1, 10, 1, 100, 1, 1e-5, 7.899255),
    (1, 5, 1.5, 50, 1, 1e-5, 5.826629), (7, 7, 4, 20, 1, 1e-5, 5.377728),
    (3, 6, 2, 5, 2, 1e-4, 3.777318),
  ])
  func epsilonIsThatOfOpacus(
    expected: Int, records: Int, noise: Double, steps: Int, rounds: Int, delta: Double,
    epsilon: Double
  ) throws {
    let privacy = try RecordPrivacy(
      clipNorm: 1, noise: noise, delta: delta, expectedRecords: expected, records: records,
      rounds: rounds, secret: Self.secret)
    let guarantee = privacy.guarantee(steps: steps)
    #expect(abs(guarantee.epsilon - epsilon) < 1e-5)
    #expect(guarantee.steps == steps * rounds)
    #expect(guarantee.text.hasPrefix("record-level, epsilon \(String(epsilon).prefix(4))"))
  }

  @Test func numbersOutOfRangeAreRefused() {
    for (clip, noise, expected, rounds, secret) in [
      (0, 1, 4, 1, Self.secret), (.infinity, 1, 4, 1, Self.secret), (1, 0, 4, 1, Self.secret),
      (1, .nan, 4, 1, Self.secret), (1, 1, 13, 1, Self.secret), (1, 1, 0, 1, Self.secret),
      (1, 1, 4, 0, Self.secret), (1, 1, 4, 1, [1, 2, 3]),
    ] as [(Double, Double, Int, Int, [UInt8])] {
      #expect(throws: TrainingError.self) {
        try privacy(clip: clip, noise: noise, expected: expected, rounds: rounds, secret: secret)
      }
    }
    #expect(
      TrainingError.invalidPrivacy(option: "dp-noise", expected: "x").message
        == "--dp-noise: expected x")
  }

  // MARK: Runs

  private func trainer(
    _ model: LanguageModel, rows: Int = 64, records: Int = 12, secret: [UInt8] = secret
  ) throws -> Trainer {
    let set = TinyModel.records(records)
    let privacy = try self.privacy(records: records, secret: secret)
    let plan = try TrainingPlan(
      set: set, privacy: privacy, length: .steps(6), seed: Seed(1), streamPath: ["r"])
    var settings = OptimizerSettings()
    settings.clip = 0
    settings.frozen = .a
    return try Trainer(
      model: model, plan: plan,
      schedule: LearningRateSchedule(
        shape: .constant, peak: 1e-3, warmupSteps: 0, totalSteps: 6),
      settings: settings, rows: rows, baseDigest: "base", parent: nil, privacy: privacy)
  }

  private func values(_ model: LanguageModel) throws -> [Float] {
    model.device.read(try #require(model.lora).values)
  }

  @Test func aRunIsTheSameOnAnyNumberOfThreadsAndAfterAResume() throws {
    var results: [[Float]] = []
    for threads in [1, 3] {
      let model = try TinyModel.make(on: try CPUDevice(threads: threads))
      let trainer = try self.trainer(model)
      while !trainer.isFinished { _ = try trainer.step { 0 } }
      results.append(try values(model))
    }
    #expect(results[0] == results[1])
    let folder = try TemporaryDirectory()
    let path = folder.file("state.safetensors")
    let first = try trainer(try TinyModel.make(on: try CPUDevice(threads: 2)))
    for _ in 0..<3 { _ = try first.step { 0 } }
    try first.saveCheckpoint(path: path, log: [])
    let model = try TinyModel.make(on: try CPUDevice(threads: 2))
    let second = try trainer(model)
    _ = try second.resume(path: path)
    while !second.isFinished { _ = try second.step { 0 } }
    #expect(try values(model) == results[0])
    // Another secret is another run.
    #expect(throws: TrainingError.self) {
      try trainer(try TinyModel.make(), secret: Self.secret + [0]).resume(path: path)
    }
  }

  @Test func otherSecretsDrawOtherNoise() throws {
    let results = try [Self.secret, Self.secret + [0]].map { secret in
      let model = try TinyModel.make()
      let trainer = try self.trainer(model, secret: secret)
      let event = try trainer.step { 0 }
      #expect(event.records == trainer.plan.steps[0].count)
      #expect((event.clippedRecords ?? -1) >= 0)
      return try values(model)
    }
    #expect(results[0] != results[1])
  }

  /// A step that draws nobody is noise alone, and the run goes on.
  @Test func aStepMayBeEmpty() throws {
    let model = try TinyModel.make()
    let set = TinyModel.records(2)
    let privacy = try self.privacy(expected: 1, records: 2)
    let plan = try TrainingPlan(
      set: set, privacy: privacy, length: .steps(12), seed: Seed(1), streamPath: ["r"])
    #expect(plan.steps.contains([]))
    let trainer = try Trainer(
      model: model, plan: plan,
      schedule: LearningRateSchedule(
        shape: .constant, peak: 1e-3, warmupSteps: 0, totalSteps: 12),
      settings: OptimizerSettings(), rows: 64, baseDigest: "base", parent: nil, privacy: privacy)
    while !trainer.isFinished {
      let event = try trainer.step { 0 }
      #expect(event.loss.isFinite && event.gradientNorm > 0)
    }
  }
}
