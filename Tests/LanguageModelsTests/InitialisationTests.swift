// SPDX-License-Identifier: Apache-2.0
import Compute
import LanguageModels
import Randomness
import Testing

@Suite struct InitialisationTests {
  private static let config = MemoryModel.everyFlag

  private func model(_ initialisation: LoRAInitialisation, isRankStabilised: Bool = false) throws
    -> (model: LanguageModel, lora: LoRAParameters, memory: MemoryModel)
  {
    let memory = MemoryModel(Self.config)
    var settings = LoRASettings()
    settings.rank = 3
    settings.alpha = 6
    settings.isRankStabilised = isRankStabilised
    settings.initialisation = initialisation
    let model = try LanguageModel(
      config: Self.config, store: try memory.store(),
      modules: try settings.modules(of: Self.config), device: ReferenceDevice())
    try model.initialise(seed: Seed(1), initialisation)
    return (model, try #require(model.lora), memory)
  }

  @Test(arguments: LoRAInitialisation.allCases, [false, true])
  func aNewAdapterChangesNothing(initialisation: LoRAInitialisation, isRankStabilised: Bool) throws {
    let (model, lora, memory) = try model(initialisation, isRankStabilised: isRankStabilised)
    let base = try LanguageModel(
      config: Self.config, store: try memory.store(), device: ReferenceDevice())
    let (found, expected) = (
      try model.logits(GradientTests.row), try base.logits(GradientTests.row)
    )
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 2e-5 })
    let rank = initialisation.takesFromWeights ? 6 : 3
    #expect(lora.modules.allSatisfy { $0.rank == rank })
    // As a plain adapter has it: the scale that alpha and rank say.
    for module in lora.modules {
      let scale = LoRASettings.scale(
        alpha: module.alpha, rank: module.rank, isRankStabilised: isRankStabilised)
      #expect(abs(scale - module.scale) <= 1e-6)
    }
  }

  /// s·B₀·A₀ is the best approximation of the weight of rank 3: what is left is orthogonal to it, and
  /// A₀·A₀ᵀ and B₀ᵀ·B₀ are the same diagonal of falling values.
  @Test func pissaTakesTheLargestSingularValues() throws {
    let (_, lora, memory) = try model(.pissa)
    for (index, module) in lora.modules.enumerated() {
      let (a, b) = (lora.readA(index), lora.readB(index))
      let tensor = try memory.store().tensor(
        module.path + ".weight", shape: [module.outputs, module.inputs])
      let weight = tensor.bytes.bindMemory(to: Float.self)
      var (inA, inB) = ([Double](repeating: 0, count: 9), [Double](repeating: 0, count: 9))
      for r in 0..<3 {
        for q in 0..<3 {
          for i in 0..<module.inputs {
            inA[3 * r + q] += Double(a[r * module.inputs + i]) * Double(a[q * module.inputs + i])
          }
          for o in 0..<module.outputs { inB[3 * r + q] += Double(b[6 * o + r]) * Double(b[6 * o + q]) }
        }
      }
      for r in 0..<3 {
        for q in 0..<3 {
          #expect(abs(inA[3 * r + q] - (r == q ? inB[3 * r + r] : 0)) <= 1e-4)
          #expect(abs(inB[3 * r + q] - (r == q ? inA[3 * r + r] : 0)) <= 1e-4)
        }
        if r > 0 { #expect(inA[4 * r] <= inA[4 * (r - 1)] + 1e-5) }
      }
      var dot = 0.0
      for o in 0..<module.outputs {
        for i in 0..<module.inputs {
          var part = 0.0
          for r in 0..<3 { part += Double(b[6 * o + r]) * Double(a[r * module.inputs + i]) }
          part *= Double(module.scale)
          dot += part * (Double(weight[o * module.inputs + i]) - part)
        }
      }
      #expect(abs(dot) <= 1e-3)
    }
  }

  /// Reference: torch.linalg.qr and svdvals of torch 2.13.
  @Test func factorizationsAreLAPACKs() throws {
    let w: [Float] = [1, 2, 3, 4, 5, 6.5, 7, -8, 9, 0.5, 1, -1, 2, 0, 1]
    let library = try Factorization()
    let (q, r) = try #require(library.triangular(w, rows: 5, columns: 3, count: 2))
    let expectedQ: [Float] = [
      -0.1193100, -0.2804053, -0.4772400, -0.7819925, -0.8351700, 0.5277744, -0.0596550,
      -0.1402027, -0.2386200, -0.1079722,
    ]
    let expectedR: [Float] = [-8.381527, 3.9968853, -11.155486, 0, -8.833171, -1.1419675]
    #expect(zip(q, expectedQ).allSatisfy { abs($0 - $1) <= 2e-6 })
    #expect(zip(r, expectedR).allSatisfy { abs($0 - $1) <= 1e-5 })
    let (left, values, right) = try #require(library.singular(w, rows: 5, columns: 3))
    #expect(zip(values, [14.804404, 8.749425, 1.666504]).allSatisfy { abs($0 - $1) <= 1e-5 })
    for row in 0..<5 {
      for column in 0..<3 {
        let sum = (0..<3).reduce(Float(0)) {
          $0 + left[3 * row + $1] * values[$1] * right[3 * $1 + column]
        }
        #expect(abs(sum - w[3 * row + column]) <= 1e-5)
      }
    }
  }

  @Test func gaussianHasTheDeviationOfTheRank() throws {
    let (_, lora, _) = try model(.gaussian)
    let values = lora.modules.indices.flatMap { lora.readA($0) }
    let square = values.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(values.count)
    #expect(abs(square.squareRoot() - 1.0 / 3) <= 0.05)
    #expect(lora.modules.indices.allSatisfy { lora.readB($0).allSatisfy { $0 == 0 } })
  }
}
