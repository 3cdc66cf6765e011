// SPDX-License-Identifier: Apache-2.0
import Compute
import Devices
import LanguageModels
import Testing
import Training

/// Neither the memory plan nor the number of threads may change a bit of a gradient.
@Suite(.serialized) struct PlansAndThreadsTests {
  /// Budgets that keep everything, attention in some layers, and nothing.
  private func plans(_ model: LanguageModel, rows: Int) -> [MemoryPlan] {
    let all = model.memoryPlan(rows: rows, trains: true)
    let least = model.memoryPlan(rows: rows, trains: true, budget: 0)
    // Room for the attention half of one more layer.
    let mixed = model.memoryPlan(
      rows: rows, trains: true, budget: least.allocatedBytes + least.attentionBytes)
    return [all, mixed, least]
  }

  private func gradients(
    _ golden: Golden, _ row: PackedRow, device: any Device, plan index: Int
  ) throws -> (gradients: [Float], losses: [TargetLoss]) {
    let model = try golden.adaptedModel(on: device)
    try model.allocate(plans(model, rows: row.count)[index], trains: true)
    let losses = try model.accumulateGradients(row, gradientScale: 0.01)
    return (device.read(try #require(model.lora).gradients), losses)
  }

  @Test(arguments: Golden.names, Precision.allCases)
  func noBitDependsOnThePlanOrOnThreads(name: String, precision: Precision) throws {
    func device(threads: Int) throws -> any Device {
      try DeviceCatalog.make("cpu", threads: threads, precision: precision)
    }
    let golden = try Golden(name)
    let row = PackedRow(golden.sequences)
    let expected = try gradients(golden, row, device: try device(threads: 1), plan: 0)
    for (plan, threads) in [(0, 2), (0, 3), (0, 4), (1, 1), (1, 2), (2, 1), (2, 4)] {
      let found = try gradients(golden, row, device: try device(threads: threads), plan: plan)
      #expect(found.gradients == expected.gradients, "plan \(plan), \(threads) threads")
      #expect(found.losses == expected.losses, "plan \(plan), \(threads) threads")
    }
  }

  @Test(arguments: ["llama3", "gemma3"])
  func theReferenceComputesLayersAgainToTheSameBits(name: String) throws {
    let golden = try Golden(name)
    let row = PackedRow(golden.sequences)
    let results = try (0..<3).map {
      try gradients(golden, row, device: try makeDevice("reference"), plan: $0).gradients
    }
    #expect(results[0] == results[1])
    #expect(results[0] == results[2])
  }

  @Test(
    arguments: ["llama3", "phi3-mini-4k", "gemma2"],
    [(0, Precision.float32), (1, .float32), (2, .float32), (0, .bfloat16)])
  func aPlanIsWhatIsAllocated(name: String, plan: (index: Int, precision: Precision)) throws {
    let index = plan.index
    let golden = try Golden(name)
    let device = try DeviceCatalog.make("cpu", threads: 2, precision: plan.precision)
    let row = PackedRow(golden.sequences)
    let model = try golden.adaptedModel(on: device)
    let before = device.memory
    let plan = plans(model, rows: row.count)[index]
    let rehearsed = try model.rehearse(plan, rows: [row], trains: true)
    #expect(device.memory == before)
    try model.allocate(plan, trains: true)
    _ = try model.accumulateGradients(row, gradientScale: 1)
    // Each buffer is rounded up to 64 bytes.
    let slack = 64 * (device.memory.allocations - before.allocations)
    let planned = plan.allocatedBytes - plan.adapterBytes
    let taken = device.memory.bufferBytes - before.bufferBytes
    #expect(planned <= taken && taken <= planned + slack)
    #expect(rehearsed.bufferBytes == taken)
    #expect(rehearsed.workBytes == device.memory.workBytes)
    #expect(rehearsed.workDemands == device.memory.workDemands)
    #expect(rehearsed.workDemands[WorkStorage.logits.rawValue] > 0)
    model.releaseBuffers()
    #expect(device.memory.bufferBytes == before.bufferBytes)
  }

  @Test func aRunInItsStrideAllocatesNothing() throws {
    let golden = try Golden("llama3")
    let device = try makeDevice("cpu", threads: 2)
    let model = try golden.adaptedModel(on: device)
    let trainer = try goldenTrainer(golden, model, steps: 4)
    _ = try trainer.step { 0 }
    let first = device.memory
    _ = try run(trainer)
    #expect(device.memory == first)
    _ = try model.score(PackedRow(golden.sequences))
    #expect(device.memory == first)
  }
}
