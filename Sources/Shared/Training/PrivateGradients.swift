// SPDX-License-Identifier: Apache-2.0
package import Compute
package import LanguageModels
import Randomness

/// The noisy mean of records' clipped gradients, see ``RecordPrivacy``.
package final class PrivateGradients {
  package let privacy: RecordPrivacy
  /// Records of this step so far, and those of them whose gradient was longer than C.
  package private(set) var records = 0
  package private(set) var clipped = 0

  private let lora: LoRAParameters
  private let device: any Device
  private let sum: Buffer
  /// Name and place of each factor that is trained.
  private let trained: [(name: String, range: Range<Int>)]

  /// - Throws: ``TrainingError/model(_:)`` without memory for one more set of gradients.
  package init(
    _ privacy: RecordPrivacy, lora: LoRAParameters, settings: OptimizerSettings,
    device: any Device
  ) throws(TrainingError) {
    self.privacy = privacy
    self.lora = lora
    self.device = device
    do { sum = try device.allocate(lora.count, label: "clipped gradients") } catch {
      throw .model(.device(error))
    }
    trained = SavedState.names("noise", lora).compactMap { entry in
      let place = entry.range.lowerBound
      let isTrained =
        place < lora.countA
        ? settings.trainsA : place < lora.countA + lora.countB ? settings.trainsB : true
      return isTrained ? (entry.name, entry.range) : nil
    }
  }

  deinit { device.release(sum) }

  /// Begins a step.
  package func begin() {
    device.fill(sum, with: 0)
    (records, clipped) = (0, 0)
  }

  /// Takes the gradients of one record, cut to the norm C, and forgets them.
  ///
  /// - Returns: the norm before; if it is not finite nothing was taken.
  package func take() -> Double {
    let norm = device.sumOfSquares(lora.gradients).squareRoot()
    guard norm.isFinite else { return norm }
    let factor = GradientClipping.factor(norm: norm, maximum: privacy.clipNorm)
    if factor < 1 {
      device.scale(lora.gradients, by: Float(factor))
      clipped += 1
    }
    records += 1
    device.add(sum, lora.gradients)
    device.fill(lora.gradients, with: 0)
    return norm
  }

  /// Leaves (sum + noise)/m in the gradients.
  ///
  /// - Parameter path: names run and step; the same names draw the same noise.
  package func finish(path: [String]) {
    let deviation = privacy.deviation
    for (name, range) in trained {
      var draws = Seed(0).stream(path: ["train", "noise", privacy.secret] + path + [name])
      withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count) { values in
        draws.fillNormal(values, standardDeviation: deviation)
        device.write(
          UnsafeBufferPointer(values),
          to: lora.gradients.slice(at: range.lowerBound, count: range.count))
      }
    }
    device.scale(sum, by: 1 / Float(privacy.expectedRecords))
    device.add(lora.gradients, sum)
  }
}
