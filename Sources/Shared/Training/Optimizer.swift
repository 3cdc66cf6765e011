// SPDX-License-Identifier: Apache-2.0
package import Compute
package import LanguageModels

/// Which of the two factors stays as it is.
package enum FrozenFactor: String, Sendable, CaseIterable {
  case a = "A"
  case b = "B"
}

/// What the optimizer does with gradients.
package struct OptimizerSettings: Sendable, Equatable {
  package var beta1 = 0.9
  package var beta2 = 0.999
  package var epsilon = 1e-8
  package var weightDecay = 0.0
  /// Largest global norm of the gradients; 0 is no clipping.
  package var clip = 1.0
  /// The factor that is not trained (FFA-LoRA freezes A: Sun et al. 2024, https://arxiv.org/abs/2403.12313).
  package var frozen: FrozenFactor?
  /// B's learning rate, and that of DoRA's magnitudes, over A's (LoRA+: Hayou et al. 2024, https://arxiv.org/abs/2402.12354).
  package var loraPlusRatio = 1.0
  /// μ of FedProx (Li et al. 2020, https://arxiv.org/abs/1812.06127): adds μ/2·‖w - w₀‖² to the loss,
  /// w₀ being the factors at the start of the round.
  package var proximal = 0.0

  package init() {}

  package var trainsA: Bool { frozen != .a }
  package var trainsB: Bool { frozen != .b }
  /// `AB`, `A` or `B`, as adapters say it.
  package var trained: String { trainsA ? (trainsB ? "AB" : "A") : "B" }
}

/// AdamW over the LoRA factors of a model.
package final class Optimizer {
  package let settings: OptimizerSettings
  /// Updates so far, those before this run included.
  package private(set) var updates = 0
  package let firstMoment: Buffer
  package let secondMoment: Buffer

  private let lora: LoRAParameters
  private let device: any Device
  /// Where factors are trained (see ``FrozenRanks``); nil where they are everywhere.
  private let frozenRanks: FrozenRanks?
  /// The negated factors at the start of the round, and room for a term; only for FedProx.
  private let proximal: (start: Buffer, term: Buffer)?

  /// - Parameter lora: holds the factors at the start of the round.
  package init(
    lora: LoRAParameters, device: any Device, settings: OptimizerSettings
  ) throws(TrainingError) {
    self.lora = lora
    self.device = device
    self.settings = settings
    let count = lora.count
    func allocate(_ label: String) throws(TrainingError) -> Buffer {
      do { return try device.allocate(count, label: label) } catch { throw .model(.device(error)) }
    }
    frozenRanks = try FrozenRanks(lora, device)
    firstMoment = try allocate("first moments")
    secondMoment = try allocate("second moments")
    if settings.proximal > 0 {
      let start = try allocate("factors at the start")
      device.copy(lora.values, to: start)
      device.scale(start, by: -1)
      proximal = (start, try allocate("proximal term"))
    } else {
      proximal = nil
    }
  }

  deinit {
    device.release(firstMoment)
    device.release(secondMoment)
    if let proximal {
      device.release(proximal.start)
      device.release(proximal.term)
    }
  }

  /// Forgets the gradients of the last step.
  package func zeroGradients() { device.fill(lora.gradients, with: 0) }

  /// Forgets the gradients of ranks that are not trained.
  package func clearFrozenRanks() { frozenRanks?.clear(lora.gradients) }

  /// One update from the gradients of a step.
  ///
  /// - Returns: the global norm of the gradients before clipping. If it is not finite nothing was
  ///   updated.
  package func update(learningRate: Double) -> Double {
    if let proximal {
      // g += μ (w - w₀)
      device.copy(lora.values, to: proximal.term)
      device.add(proximal.term, proximal.start)
      device.scale(proximal.term, by: Float(settings.proximal))
      device.add(lora.gradients, proximal.term)
      if settings.frozen == .a { device.fill(rangeA(lora.gradients), with: 0) }
      if settings.frozen == .b { device.fill(rangeB(lora.gradients), with: 0) }
    }
    frozenRanks?.clear(lora.gradients)
    let norm = device.sumOfSquares(lora.gradients).squareRoot()
    guard norm.isFinite else { return norm }
    let factor = GradientClipping.factor(norm: norm, maximum: settings.clip)
    if factor < 1 { device.scale(lora.gradients, by: Float(factor)) }
    updates += 1
    if settings.trainsA { update(rangeA, learningRate: learningRate) }
    if settings.trainsB { update(rangeB, learningRate: learningRate * settings.loraPlusRatio) }
    if lora.countMagnitude > 0 {
      update(rangeMagnitude, learningRate: learningRate * settings.loraPlusRatio)
    }
    if settings.weightDecay != 0 { frozenRanks?.restore() }
    lora.markChanged()
    return norm
  }

  /// Continues from moments that an earlier run left.
  package func restore(updates: Int) { self.updates = updates }

  private func update(_ range: (Buffer) -> Buffer, learningRate: Double) {
    device.adamW(
      parameter: range(lora.values), gradient: range(lora.gradients),
      firstMoment: range(firstMoment), secondMoment: range(secondMoment),
      settings: AdamWSettings(
        learningRate: learningRate, beta1: settings.beta1, beta2: settings.beta2,
        epsilon: settings.epsilon, weightDecay: settings.weightDecay, step: updates))
  }

  private func rangeA(_ buffer: Buffer) -> Buffer { buffer.slice(at: 0, count: lora.countA) }
  private func rangeB(_ buffer: Buffer) -> Buffer {
    buffer.slice(at: lora.countA, count: lora.countB)
  }
  private func rangeMagnitude(_ buffer: Buffer) -> Buffer {
    buffer.slice(at: lora.countA + lora.countB, count: lora.countMagnitude)
  }
}
