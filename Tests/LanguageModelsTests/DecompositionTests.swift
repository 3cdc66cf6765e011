// SPDX-License-Identifier: Apache-2.0
import Compute
import LanguageModels
import Randomness
import Testing

/// DoRA where the goldens do not look: fused modules, biases, sandwich norms, layers computed again.
@Suite struct DecompositionTests {
  private func model(
    _ config: DecoderConfig, device: any Device = ReferenceDevice()
  ) throws -> LanguageModel {
    var settings = LoRASettings()
    settings.rank = 2
    settings.alpha = 3
    settings.isDecomposed = true
    let model = try LanguageModel(
      config: config, store: try MemoryModel(config).store(),
      modules: try settings.modules(of: config), device: device)
    model.initialise(seed: Seed(1))
    return model
  }

  /// Sets B, and magnitudes apart from the norms.
  private func disturb(_ model: LanguageModel) throws -> LoRAParameters {
    let lora = try #require(model.lora)
    for (index, module) in lora.modules.enumerated() {
      var stream = Seed(2).stream("b", module.path)
      var values = [Float](repeating: 0, count: module.outputs * module.rank)
      values.withUnsafeMutableBufferPointer { stream.fillUniform($0, bound: 0.3) }
      lora.write(b: values, at: index)
      let magnitude = try #require(lora.readMagnitude(index))
      lora.write(magnitude: magnitude.map { $0 * (0.8 + 0.4 * stream.uniformFloat()) }, at: index)
    }
    return lora
  }

  @Test(arguments: [MemoryModel.plain, MemoryModel.everyFlag])
  func aNewAdapterChangesNothing(config: DecoderConfig) throws {
    let base = try LanguageModel(
      config: config, store: try MemoryModel(config).store(), device: ReferenceDevice())
    let expected = try base.score(GradientTests.row)
    let found = try model(config).score(GradientTests.row)
    for (one, other) in zip(found, expected) { #expect(abs(one.nll - other.nll) <= 1e-5) }
  }

  /// The norm is a constant in the backward pass, as in PEFT, so that only the magnitudes' gradient is
  /// a slope of the loss.
  @Test(arguments: [MemoryModel.plain, MemoryModel.everyFlag])
  func gradientsOfMagnitudesAreSlopes(config: DecoderConfig) throws {
    let model = try model(config)
    let lora = try disturb(model)
    _ = try model.accumulateGradients(GradientTests.row, gradientScale: 1)
    let gradients = model.device.read(lora.gradients)
    for index in lora.modules.indices {
      let start = try #require(lora.readMagnitude(index))
      let slopes = gradients[lora.magnitudeRange(index)]
      let norm = slopes.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(norm > 0.01)
      var ends: [Double] = []
      for step in [0.01, -0.01] {
        lora.write(
          magnitude: zip(start, slopes).map { $0 + Float(step * Double($1) / norm) }, at: index)
        ends.append(try model.score(GradientTests.row).reduce(0) { $0 + Double($1.nll) })
      }
      lora.write(magnitude: start, at: index)
      let found = (ends[0] - ends[1]) / 0.02
      #expect(abs(found - norm) <= 0.01 * norm + 2e-3, "\(lora.modules[index].path)")
    }
  }

  /// W' = magnitude · (W + sBA) / ‖W + sBA‖, written out as frozen weights, is the same model.
  @Test func theAdaptedModelIsThatOfItsWeights() throws {
    let config = MemoryModel.everyFlag
    let memory = MemoryModel(config)
    let adapted = try model(config)
    let lora = try disturb(adapted)
    var merged = memory
    for (index, module) in lora.modules.enumerated() {
      let place = try #require(merged.tensors.firstIndex { $0.name == module.path + ".weight" })
      var weight = try TensorStore(path: "", tensors: [merged.tensors[place]], owner: memory.held)
        .tensor(module.path + ".weight", shape: [module.outputs, module.inputs])
        .bytes.bindMemory(to: Float.self).map { $0 }
      let (a, b) = (lora.readA(index), lora.readB(index))
      let magnitude = try #require(lora.readMagnitude(index))
      for row in 0..<module.outputs {
        let range = row * module.inputs..<(row + 1) * module.inputs
        for column in 0..<module.inputs {
          for r in 0..<module.rank {
            weight[range.lowerBound + column] +=
              module.scale * b[row * module.rank + r] * a[r * module.inputs + column]
          }
        }
        let norm = weight[range].reduce(0) { $0 + $1 * $1 }.squareRoot()
        for place in range { weight[place] *= magnitude[row] / norm }
      }
      merged.tensors[place] = StoredTensor(
        name: module.path + ".weight", shape: [module.outputs, module.inputs], format: .float32,
        bytes: merged.held.hold(weight))
    }
    let plain = try LanguageModel(
      config: config, store: try merged.store(), device: ReferenceDevice())
    let expected = try plain.logits(GradientTests.row)
    let found = try adapted.logits(GradientTests.row)
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 2e-5 })
  }

  @Test func recomputedLayersGiveTheSameGradients() throws {
    let model = try model(MemoryModel.everyFlag)
    let lora = try disturb(model)
    _ = try model.accumulateGradients(GradientTests.row, gradientScale: 1)
    let expected = model.device.read(lora.gradients)
    model.device.fill(lora.gradients, with: 0)
    try model.allocate(
      model.memoryPlan(rows: GradientTests.row.count, trains: true, budget: 1), trains: true)
    _ = try model.accumulateGradients(GradientTests.row, gradientScale: 1)
    #expect(model.plan?.keptLayers == 0)
    #expect(model.device.read(lora.gradients) == expected)
  }
}
