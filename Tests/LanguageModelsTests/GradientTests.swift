// SPDX-License-Identifier: Apache-2.0
import Compute
import LanguageModels
import Randomness
import Testing

/// The hand-written backward pass against finite differences, and with parts of it left out.
@Suite struct GradientTests {
  /// Two examples; the first one is longer than the window.
  static let row = PackedRow([
    (tokens: [3, 7, 1, 19, 4, 11, 2], isTarget: [true, true, false, true, true, true, true]),
    (tokens: [5, 22, 9, 14], isTarget: [false, false, true, true]),
  ])

  private func model(
    _ config: DecoderConfig, targets: TargetModules = .allLinear, layers: [Int]? = nil,
    bScale: Float = 0.3, isDecomposed: Bool = false
  ) throws -> (LanguageModel, LoRAParameters) {
    let memory = MemoryModel(config)
    var settings = LoRASettings()
    settings.rank = 2
    settings.alpha = 3
    settings.targets = targets
    settings.layers = layers
    settings.isDecomposed = isDecomposed
    let model = try LanguageModel(
      config: config, store: try memory.store(), modules: try settings.modules(of: config),
      device: ReferenceDevice())
    let lora = try #require(model.lora)
    model.initialise(seed: Seed(1))
    for (index, module) in lora.modules.enumerated() {
      var stream = Seed(2).stream("b", module.path)
      var values = [Float](repeating: 0, count: module.outputs * module.rank)
      values.withUnsafeMutableBufferPointer { stream.fillUniform($0, bound: bScale) }
      lora.write(b: values, at: index)
    }
    return (model, lora)
  }

  private func loss(_ model: LanguageModel) throws -> Double {
    try model.score(Self.row).reduce(0) { $0 + Double($1.nll) }
  }

  @Test(arguments: [MemoryModel.plain, MemoryModel.everyFlag])
  func gradientsAreTheSlopesOfTheLoss(config: DecoderConfig) throws {
    let (model, lora) = try model(config)
    let device = model.device
    _ = try model.accumulateGradients(Self.row, gradientScale: 1)
    let gradients = device.read(lora.gradients)
    let start = device.read(lora.values)
    for (index, module) in lora.modules.enumerated() {
      for isA in [true, false] {
        let range = lora.range(index, isA: isA)
        let slope = gradients[range].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        #expect(slope > 0.01)
        // Along the gradient the loss rises by its norm; any wrong component would show.
        let length = 0.01
        var ends: [Double] = []
        for sign in [1.0, -1.0] {
          var moved = start
          for place in range {
            moved[place] += Float(sign * length * Double(gradients[place]) / slope)
          }
          moved.withUnsafeBufferPointer { device.write($0, to: lora.values) }
          ends.append(try loss(model))
        }
        start.withUnsafeBufferPointer { device.write($0, to: lora.values) }
        let found = (ends[0] - ends[1]) / (2 * length)
        #expect(
          abs(found - slope) <= 0.01 * slope + 2e-3, "\(module.path) A \(isA): \(found) \(slope)")
      }
    }
  }

  @Test func gradientsAddUp() throws {
    let (model, lora) = try model(MemoryModel.plain)
    _ = try model.accumulateGradients(Self.row, gradientScale: 1)
    let once = model.device.read(lora.gradients)
    _ = try model.accumulateGradients(Self.row, gradientScale: 1)
    let twice = model.device.read(lora.gradients)
    #expect(zip(once, twice).allSatisfy { abs($1 - 2 * $0) <= 1e-5 })
  }

  /// What lies below the lowest adapted module is not computed, and nothing above misses it.
  @Test(
    arguments: [
      ("down_proj", 1), ("gate_up_proj", 1), ("o_proj", 1), ("qkv_proj", 1), ("down_proj", 0),
      ("o_proj", 0),
    ])
  func aSubsetHasTheGradientsOfTheWhole(target: String, layer: Int) throws {
    // With B = 0 the adapters do not change the values, so that both see the same model.
    let config = MemoryModel.everyFlag
    let (whole, all) = try model(config, bScale: 0)
    let (part, some) = try model(config, targets: .named([target]), layers: [layer], bScale: 0)
    _ = try whole.accumulateGradients(Self.row, gradientScale: 1)
    _ = try part.accumulateGradients(Self.row, gradientScale: 1)
    let module = some.modules[0]
    let index = try #require(all.modules.firstIndex { $0.path == module.path })
    let expected = whole.device.read(all.gradientB(index))
    let found = part.device.read(some.gradientB(0))
    #expect(found.contains { abs($0) > 1e-3 })
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-6 })
    #expect(part.plan?.trainedLayers == 2 - layer)
  }

  @Test func aWindowHidesWhatIsBehindIt() throws {
    var config = MemoryModel.plain
    config.windows = [3, 3]
    let memory = MemoryModel(config)
    let model = try LanguageModel(
      config: config, store: try memory.store(), device: ReferenceDevice())
    // Two layers of windows of 3 reach back four tokens; the first of seven is out of reach.
    func last(_ tokens: [Int32]) throws -> ArraySlice<Float> {
      let row = PackedRow([(tokens: tokens, isTarget: tokens.map { _ in true })])
      return try model.logits(row).suffix(config.vocabularySize)
    }
    let tokens: [Int32] = [3, 7, 1, 19, 4, 11, 2]
    #expect(try last(tokens) == last([9] + tokens.dropFirst()))
    #expect(try last(tokens) != last(tokens.prefix(2) + [9] + tokens.dropFirst(3)))
  }

  @Test func aTokenOutsideTheVocabularyIsRefused() throws {
    let (model, _) = try model(MemoryModel.plain)
    #expect(throws: ModelError.tokenOutsideVocabulary(token: 23, vocabulary: 23)) {
      _ = try model.score(PackedRow([(tokens: [1, 23], isTarget: [true, true])]))
    }
  }
}
