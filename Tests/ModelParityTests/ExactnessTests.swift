// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute
import Devices
import Foundation
import LanguageModels
import Records
import Testing
import TestSupport
import Training

/// What must not change a result, and what may change it by rounding only.
@Suite(.serialized) struct ExactnessTests {
  /// Float32 sums in another order.
  static let rounding = 2e-6

  private func gradients(_ model: LanguageModel) throws -> [Float] {
    model.device.read(try #require(model.lora).gradients)
  }

  @Test(arguments: deviceNames)
  func aPackedExampleIsWorthTheSameAsAlone(device: String) throws {
    let golden = try Golden("llama3")
    let model = try golden.adaptedModel(on: try makeDevice(device))
    let packed = try model.logits(PackedRow(golden.sequences))
    var alone: [Float] = []
    for sequence in golden.sequences { alone += try model.logits(PackedRow([sequence])) }
    #expect(Golden.largestDifference(packed, alone) <= 2e-5)
    // Other neighbours, same values: the first example before and after others.
    let reversed = try model.score(PackedRow(golden.sequences.reversed()))
    let forward = try model.score(PackedRow(golden.sequences))
    let count = PackedRow([golden.sequences[0]]).targets.count
    let (first, last) = (forward.prefix(count), reversed.suffix(count))
    #expect(zip(first, last).allSatisfy { abs($0.nll - $1.nll) <= 2e-5 })
  }

  @Test func anExampleDoesNotSeeItsNeighbours() throws {
    let golden = try Golden("llama3")
    let model = try golden.adaptedModel(on: try makeDevice("reference"))
    var other = golden.sequences
    other[0].tokens = other[0].tokens.map { ($0 + 7) % 320 }
    let second = PackedRow([golden.sequences[0]]).targets.count
    let before = try model.score(PackedRow(golden.sequences)).dropFirst(second)
    let after = try model.score(PackedRow(other)).dropFirst(second)
    #expect(Array(before) == Array(after))
  }

  @Test(arguments: deviceNames)
  func theCutIntoRowsChangesOnlyRounding(device: String) throws {
    let golden = try Golden("llama3")
    let whole = try golden.adaptedModel(on: try makeDevice(device))
    let cut = try golden.adaptedModel(on: try makeDevice(device))
    _ = try goldenTrainer(golden, whole, steps: 1, rows: 4096).step { 0 }
    _ = try goldenTrainer(golden, cut, steps: 1, rows: 40).step { 0 }
    #expect(Golden.relativeDifference(try gradients(cut), try gradients(whole)) <= Self.rounding)
  }

  @Test func aResumedRunEndsInTheSameBits() throws {
    let golden = try Golden("llama3")
    let folder = try TemporaryDirectory()
    let undisturbed = try golden.adaptedModel(on: try makeDevice("cpu"))
    _ = try run(try goldenTrainer(golden, undisturbed, steps: 5) { $0.proximal = 0.1 })
    let first = try golden.adaptedModel(on: try makeDevice("cpu"))
    let interrupted = try goldenTrainer(golden, first, steps: 5) { $0.proximal = 0.1 }
    for _ in 0..<2 { _ = try interrupted.step { 0 } }
    try interrupted.saveCheckpoint(path: folder.file("c"), log: Array("log\n".utf8))
    let second = try golden.adaptedModel(on: try makeDevice("cpu"))
    let resumed = try goldenTrainer(golden, second, steps: 5) { $0.proximal = 0.1 }
    let state = try resumed.resume(path: folder.file("c"))
    #expect(state.log == Array("log\n".utf8))
    #expect(resumed.stepsDone == 2)
    _ = try run(resumed)
    let (expected, found) = (try #require(undisturbed.lora), try #require(second.lora))
    #expect(undisturbed.device.read(expected.values) == second.device.read(found.values))
    #expect(resumed.lossFirst == interrupted.lossFirst)
  }

  @Test func aCheckpointOfAnotherRunIsRefused() throws {
    let golden = try Golden("llama3")
    let folder = try TemporaryDirectory()
    let model = try golden.adaptedModel(on: try makeDevice("cpu"))
    try goldenTrainer(golden, model, steps: 5).saveCheckpoint(path: folder.file("c"), log: [])
    #expect(throws: TrainingError.self) {
      _ = try goldenTrainer(golden, model, steps: 6).resume(path: folder.file("c"))
    }
    let half = try DeviceCatalog.make("cpu", threads: 1, precision: .bfloat16)
    if half.precision == .bfloat16 {
      #expect(throws: TrainingError.self) {
        let rounded = try golden.adaptedModel(on: half)
        _ = try goldenTrainer(golden, rounded, steps: 5).resume(path: folder.file("c"))
      }
    }
    #expect(throws: TrainingError.self) {
      try goldenTrainer(golden, model).loadOptimizer(path: folder.file("c"))
    }
    let other = try Golden("llama2").adaptedModel(on: try makeDevice("cpu"))
    try goldenTrainer(golden, model).saveOptimizer(path: folder.file("o"))
    #expect(throws: TrainingError.self) {
      try goldenTrainer(try Golden("llama2"), other).loadOptimizer(path: folder.file("o"))
    }
  }

  @Test func keptMomentsContinueTheRun() throws {
    // Constant rate: two runs of three steps with the state kept are one run of six.
    let golden = try Golden("llama3-rslora-some")
    let folder = try TemporaryDirectory()
    let whole = try golden.adaptedModel(on: try makeDevice("cpu"))
    _ = try run(try goldenTrainer(golden, whole, steps: 6))
    let parts = try golden.adaptedModel(on: try makeDevice("cpu"))
    let first = try goldenTrainer(golden, parts, steps: 3)
    _ = try run(first)
    try first.saveOptimizer(path: folder.file("o"))
    let second = try goldenTrainer(golden, parts, steps: 3)
    try second.loadOptimizer(path: folder.file("o"))
    _ = try run(second)
    #expect(
      whole.device.read(try #require(whole.lora).values)
        == parts.device.read(try #require(parts.lora).values))
  }

  @Test(arguments: [FrozenFactor.a, .b])
  func aFrozenFactorStays(frozen: FrozenFactor) throws {
    let golden = try Golden("llama3")
    let model = try golden.adaptedModel(on: try makeDevice("cpu"))
    let lora = try #require(model.lora)
    let before = model.device.read(lora.values)
    _ = try run(
      try goldenTrainer(golden, model, steps: 2) {
        $0.frozen = frozen
        $0.proximal = 0.5
      })
    let after = model.device.read(lora.values)
    let a = 0..<lora.countA
    let b = lora.countA..<lora.count
    #expect((before[a] == after[a]) == (frozen == .a))
    #expect((before[b] == after[b]) == (frozen == .b))
  }

  @Test func theProximalTermPullsBack() throws {
    let golden = try Golden("llama3")
    func distance(_ strength: Double) throws -> Double {
      let model = try golden.adaptedModel(on: try makeDevice("cpu"))
      let lora = try #require(model.lora)
      let start = model.device.read(lora.values)
      _ = try run(
        try goldenTrainer(golden, model, steps: 8) {
          $0.weightDecay = 0
          $0.proximal = strength
        })
      return Golden.relativeDifference(model.device.read(lora.values), start)
    }
    #expect(try distance(10) < 0.7 * distance(0))
  }
}

@Suite struct NotFiniteTests {
  @Test func aLossThatIsNotFiniteNamesItsRecord() throws {
    let golden = try Golden("llama3")
    let model = try golden.adaptedModel(on: try makeDevice("cpu"))
    let lora = try #require(model.lora)
    // Too large for float32 once multiplied: the loss overflows.
    lora.write(b: [Float](repeating: 1e38, count: lora.readB(0).count), at: 0)
    let trainer = try goldenTrainer(golden, model, steps: 1)
    #expect {
      _ = try trainer.step { 0 }
    } throws: { error in
      guard case TrainingError.notFinite(_, 1, let place, _) = error else { return false }
      return place.description == "golden:1"
    }
    #expect(trainer.stepsDone == 0)
  }
}
