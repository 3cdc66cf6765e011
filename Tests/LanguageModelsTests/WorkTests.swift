// SPDX-License-Identifier: Apache-2.0
import Compute
import LanguageModels
import Testing

/// Floating-point operations against sums by hand.
@Suite struct WorkTests {
  /// The shape of SmolLM2-135M, seven projections of rank 16.
  private static let config = DecoderConfig(
    family: "llama", vocabularySize: 49152, hiddenSize: 576, intermediateSize: 1536, layerCount: 30,
    headCount: 9, keyValueHeadCount: 3, headSize: 64, maximumContext: 8192, normEpsilon: 1e-5,
    hasTiedHead: true, attentionScale: 0.125, windows: Array(repeating: nil, count: 30),
    ropes: [RopeConfig(theta: 1e5, rotarySize: 64)], ropeOfLayer: Array(repeating: 0, count: 30),
    modules: DecoderConfig.separateModules(
      attentionWidth: 576, keyValueWidth: 192, hiddenSize: 576, intermediateSize: 1536))

  /// Weights of the seven maps of a layer, one after the other.
  private static let maps: [Double] = [
    576 * 576, 576 * 192, 576 * 192, 576 * 576, 576 * 1536, 576 * 1536, 1536 * 576,
  ]
  private static let weights: Double = 30 * maps.reduce(0, +)

  private func work(
    lengths: [Int], targets: Int, layers: [Int]? = nil, modules: TargetModules = .allLinear
  ) throws -> DecoderWork {
    var settings = LoRASettings()
    settings.rank = 16
    settings.layers = layers
    settings.targets = modules
    return DecoderWork(
      lengths: lengths, targets: targets, config: Self.config,
      modules: try settings.modules(of: Self.config), trains: true)
  }

  @Test func everyPositionATarget() throws {
    // 106.2 M weights in the layers, 4.88 M in the adapters; the lowest projections need no gradient
    // of their input.
    let work = try work(lengths: [256], targets: 256)
    let lowest: Double = Self.maps[..<3].reduce(0, +)
    let frozen: Double = 256 * (4 * Self.weights - 2 * lowest)
    let added: Double = 256 * 2 * 4_884_480
    let attention: Double = 30 * 14 * 576 * 128 * 257
    #expect(work.products == frozen + added)
    #expect(work.adapters == 256.0 * 4 * 4_884_480)
    #expect(work.loss == 256.0 * 4 * 576 * 49152)
    #expect(work.attention == attention)
  }

  @Test func fewTargetsAndFewLayers() throws {
    let some = try work(lengths: [256, 256], targets: 100)
    let all = try work(lengths: [256, 256], targets: 512)
    let upper: Double = Self.maps[3...].reduce(0, +)
    // Inputs and outputs of the four modules after attention.
    let added: Double = 412 * 2 * 16 * (1152 + 3 * 2112)
    #expect(all.products - some.products == 412 * 4 * upper + added)
    #expect(some.loss == 100.0 * 4 * 576 * 49152)
    let top = try work(
      lengths: [100], targets: 100, layers: [29], modules: .named(["down_proj"]))
    let attention: Double = 30 * 4 * 576 * 50 * 101
    #expect(top.products == 200 * Self.weights + 100 * 2 * 16 * 2112)
    #expect(top.attention == attention)
    #expect(try work(lengths: [100], targets: 0).total == 0)
  }
}
