// SPDX-License-Identifier: Apache-2.0
import Compute
import Devices
import LanguageModels
import Safetensors
import Testing

/// Devices that the goldens run on.
let deviceNames = DeviceCatalog.all.map(\.name)

func makeDevice(_ name: String, threads: Int = 1) throws -> any Device {
  try DeviceCatalog.make(name, threads: threads)
}

@Suite(.serialized) struct ForwardBackwardTests {
  @Test(arguments: Golden.names, deviceNames)
  func baseLogitsEqualTheReference(name: String, device: String) throws {
    let golden = try Golden(name)
    let model = try LanguageModel(
      base: try BaseModel(path: golden.modelPath), device: try makeDevice(device))
    for (index, sequence) in golden.sequences.enumerated() {
      let logits = try model.logits(PackedRow([sequence]))
      let expected = try golden.expected.tensor("base_logits.\(index)").floats()
      #expect(Golden.largestDifference(logits, expected) <= Golden.logitTolerance)
    }
  }

  @Test(arguments: Golden.names, deviceNames)
  func adaptedLogitsEqualTheReference(name: String, device: String) throws {
    let golden = try Golden(name)
    let model = try golden.adaptedModel(on: try makeDevice(device))
    let packed = try model.logits(PackedRow(golden.sequences))
    var expected: [Float] = []
    for index in golden.sequences.indices {
      expected += try golden.expected.tensor("adapted_logits.\(index)").floats()
    }
    #expect(Golden.largestDifference(packed, expected) <= Golden.logitTolerance)
  }

  @Test(arguments: Golden.names, deviceNames)
  func gradientsEqualTheReference(name: String, device: String) throws {
    let golden = try Golden(name)
    let device = try makeDevice(device)
    let model = try golden.adaptedModel(on: device)
    let losses = try model.accumulateGradients(
      PackedRow(golden.sequences), gradientScale: 1 / Float(golden.targets))
    let mean = losses.reduce(0.0) { $0 + Double($1.nll) } / Double(golden.targets)
    #expect(abs(mean - golden.losses[0]) <= Golden.lossTolerance)
    let lora = try #require(model.lora)
    for (index, module) in lora.modules.enumerated() {
      for (factor, buffer) in [("A", lora.gradientA(index)), ("B", lora.gradientB(index))] {
        let expected = try golden.expected.tensor("grad." + Golden.name(module, factor)).floats()
        let difference = Golden.relativeDifference(device.read(buffer), expected)
        #expect(difference <= Golden.gradientTolerance, "\(module.path) \(factor)")
      }
      if module.isDecomposed {
        let expected = try golden.expected.tensor(
          "grad.\(Golden.magnitudeName(module)).weight").floats()
        let found = Array(device.read(lora.gradients)[lora.magnitudeRange(index)])
        #expect(
          Golden.relativeDifference(found, expected) <= Golden.gradientTolerance, "\(module.path)")
      }
    }
  }
}
