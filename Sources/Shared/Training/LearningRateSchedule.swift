// SPDX-License-Identifier: Apache-2.0
import Glibc

/// How the learning rate moves over the steps of a run.
///
/// The formulas of transformers' get_constant_schedule_with_warmup, get_linear_schedule_with_warmup
/// and get_cosine_schedule_with_warmup. As there, the first step of a warmup has rate 0.
package struct LearningRateSchedule: Sendable, Equatable {
  package enum Shape: String, Sendable, CaseIterable {
    case constant, linear, cosine
  }

  package let shape: Shape
  package let peak: Double
  package let warmupSteps: Int
  package let totalSteps: Int

  package init(shape: Shape, peak: Double, warmupSteps: Int, totalSteps: Int) {
    self.shape = shape
    self.peak = peak
    self.warmupSteps = warmupSteps
    self.totalSteps = totalSteps
  }

  /// The rate of step `step`, from 0.
  package func rate(step: Int) -> Double {
    if step < warmupSteps { return peak * Double(step) / Double(max(1, warmupSteps)) }
    let rest = max(1, totalSteps - warmupSteps)
    switch shape {
    case .constant: return peak
    case .linear: return peak * max(0, Double(totalSteps - step) / Double(rest))
    case .cosine:
      let progress = Double(step - warmupSteps) / Double(rest)
      return peak * max(0, 0.5 * (1 + cos(Double.pi * progress)))
    }
  }
}

/// Length of a warmup: a share of the steps, or a number of them.
package enum Warmup: Sendable, Equatable {
  /// In 0 ..< 1; rounded up to whole steps.
  case share(Double)
  case steps(Int)

  package func steps(of total: Int) -> Int {
    switch self {
    case .share(let share): min(total, Int((share * Double(total)).rounded(.up)))
    case .steps(let steps): min(total, steps)
    }
  }
}
