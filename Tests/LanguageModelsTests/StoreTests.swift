// SPDX-License-Identifier: Apache-2.0
import Compute
import LanguageModels
import Testing

@Suite struct StoreTests {
  private func load(_ change: (inout MemoryModel) -> Void) throws {
    var memory = MemoryModel(MemoryModel.plain)
    change(&memory)
    _ = try LanguageModel(
      config: memory.config, store: try memory.store(), device: ReferenceDevice())
  }

  private func tensor(_ memory: MemoryModel, _ name: String, _ shape: [Int]) -> StoredTensor {
    StoredTensor(
      name: name, shape: shape, format: .float32,
      bytes: memory.held.hold([Float](repeating: 0, count: shape.reduce(1, *))))
  }

  @Test func everyTensorHasToBeThere() throws {
    let names = MemoryModel(MemoryModel.plain).tensors.map(\.name)
    #expect(names.count == 2 + 2 * 9)
    for name in names {
      #expect(throws: ModelError.missingTensor(path: "memory", name: name)) {
        try load { memory in memory.tensors.removeAll { $0.name == name } }
      }
    }
  }

  @Test func everyTensorHasToHaveAPlace() throws {
    #expect(throws: ModelError.unexpectedTensor(path: "memory", name: "model.extra.weight")) {
      try load { $0.tensors.append(tensor($0, "model.extra.weight", [2])) }
    }
    #expect(throws: ModelError.duplicateTensor(path: "memory", name: "model.norm.weight")) {
      try load { $0.tensors.append(tensor($0, "model.norm.weight", [12])) }
    }
    // Some files of tied models carry the head again, old ones the rope frequencies.
    try load { $0.tensors.append(tensor($0, "lm_head.weight", [23, 12])) }
    try load {
      $0.tensors.append(tensor($0, "model.layers.1.self_attn.rotary_emb.inv_freq", [3]))
    }
  }

  @Test func aWrongShapeIsNamed() throws {
    let name = "model.layers.1.mlp.up_proj.weight"
    let error = ModelError.wrongShape(
      path: "memory", tensor: name, expected: [20, 12], found: [12, 20])
    #expect(throws: error) {
      try load { memory in
        memory.tensors.removeAll { $0.name == name }
        memory.tensors.append(tensor(memory, name, [12, 20]))
      }
    }
  }

  @Test func targetsAreMatchedAsPEFTDoes() throws {
    let config = MemoryModel.plain
    var settings = LoRASettings()
    #expect(try settings.modules(of: config).count == 14)
    settings.targets = .named(["q_proj", "model.layers.1.mlp.down_proj"])
    #expect(
      try settings.modules(of: config).map(\.path) == [
        "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj",
        "model.layers.1.mlp.down_proj",
      ])
    settings.layers = [1]
    #expect(try settings.modules(of: config).count == 2)
    settings.targets = .named(["proj"])
    #expect(throws: ModelError.self) { _ = try settings.modules(of: config) }
    settings = LoRASettings()
    settings.layers = [2]
    #expect(throws: ModelError.unknownLayer(layer: 2, layerCount: 2)) {
      _ = try settings.modules(of: config)
    }
    #expect(LoRASettings.scale(alpha: 8, rank: 4, isRankStabilised: false) == 2)
    #expect(LoRASettings.scale(alpha: 8, rank: 4, isRankStabilised: true) == 4)
  }

  @Test func theFirstTokenIsNoTarget() {
    let row = PackedRow([
      (tokens: [5, 6, 7], isTarget: [true, true, false]), (tokens: [8], isTarget: [true]),
      (tokens: [9, 10], isTarget: [false, true]),
    ])
    #expect(row.starts == [0, 3, 4, 6])
    #expect(row.targetRows == [0, 4])
    #expect(row.targets == [6, 10])
    let sums = row.examples([TargetLoss(nll: 1, isTop: true), TargetLoss(nll: 2, isTop: false)])
    #expect(sums.map(\.nll) == [1, 0, 2])
    #expect(sums.map(\.targets) == [1, 0, 1])
    #expect(sums.map(\.correct) == [1, 0, 0])
  }

  @Test func aPlanCountsWhatItKeeps() throws {
    let config = MemoryModel.plain
    let modules = try LoRASettings().modules(of: config)
    func plan(_ rows: Int, _ budget: Int?) -> MemoryPlan {
      MemoryPlan(config: config, modules: modules, rows: rows, budget: budget, trains: true)
    }
    let all = plan(1000, nil)
    #expect(all.keptLayers == 2)
    #expect(plan(1000, all.allocatedBytes).keptLayers == 2)
    let less = plan(1000, all.allocatedBytes - 1)
    #expect(less.keptLayers < 2)
    #expect(plan(2000, nil).activationBytes == 2 * all.activationBytes)
    // With room for attention alone, what lies above it is computed again.
    let least = plan(1000, 0)
    #expect(least.keptLayers == 0 && least.attentionLayers == 0)
    let some = plan(1000, least.allocatedBytes + least.attentionBytes)
    #expect(some.keptLayers == 0 && some.attentionLayers == 2)
    #expect(some.part(0) == .attention && least.part(1) == .input && all.part(0) == .all)
    for budget in stride(from: least.allocatedBytes, to: all.allocatedBytes, by: 100_000) {
      #expect(plan(1000, budget).allocatedBytes <= budget)
    }
    let scoring = MemoryPlan(config: config, modules: modules, rows: 1000, trains: false)
    #expect(scoring.keptLayers == 0 && scoring.trainedLayers == 0)
    #expect(scoring.allocatedBytes < all.allocatedBytes / 2)
  }
}
