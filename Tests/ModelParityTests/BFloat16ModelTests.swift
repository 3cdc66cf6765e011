// SPDX-License-Identifier: Apache-2.0
import Compute
import Devices
import LanguageModels
import Testing
import TestSupport
import Training

/// Training with bfloat16 products beside the float32 reference: close, and a different computation.
@Suite(.serialized) struct BFloat16ModelTests {
  /// The cpu device with bfloat16; nil where the processor has no instructions for it.
  private func device() throws -> (any Device)? {
    let device = try DeviceCatalog.make("cpu", threads: 2, precision: .bfloat16)
    return device.precision == .bfloat16 ? device : nil
  }

  @Test(arguments: Golden.names)
  func lossesOfTenStepsStayWithinOnePercent(name: String) throws {
    guard let device = try device() else { return }
    let golden = try Golden(name)
    let losses = try run(try goldenTrainer(golden, try golden.adaptedModel(on: device)))
    for (step, loss) in losses.enumerated() {
      #expect(abs(loss / golden.losses[step] - 1) < 0.01, "step \(step + 1)")
    }
    #expect(zip(losses, golden.losses).contains { abs($0 - $1) > Golden.lossTolerance })
  }

  @Test(arguments: Golden.names)
  func gradientsStayClose(name: String) throws {
    guard let device = try device() else { return }
    let golden = try Golden(name)
    let model = try golden.adaptedModel(on: device)
    let exact = try golden.adaptedModel(on: try makeDevice("cpu"))
    var gradients: [[Float]] = []
    for model in [model, exact] {
      _ = try model.accumulateGradients(
        PackedRow(golden.sequences), gradientScale: 1 / Float(golden.targets))
      gradients.append(model.device.read(try #require(model.lora).gradients))
    }
    #expect(Golden.relativeDifference(gradients[0], gradients[1]) < 0.03)
  }
}
