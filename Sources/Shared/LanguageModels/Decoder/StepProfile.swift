// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A part of the work of a step.
package enum StepPart: String, Sendable, CaseIterable {
  /// Products with frozen weights, their expansion included.
  case products
  /// The thin products of LoRA.
  case adapters
  case attention
  /// The output head and the cross-entropy.
  case loss
  /// Norms, rotations, gates, sums, copies: everything between the products.
  case elements
  case optimizer
}

/// Where the seconds of training went.
package struct StepProfile: Sendable, Equatable {
  private var values = [Double](repeating: 0, count: StepPart.allCases.count)

  package init() {}

  package subscript(part: StepPart) -> Double {
    get { values[part.rawIndex] }
    set { values[part.rawIndex] = newValue }
  }

  package var total: Double { values.reduce(0, +) }

  /// Calls `body` and adds its time to a part.
  mutating func measure<Result>(_ part: StepPart, _ body: () -> Result) -> Result {
    let start = monotonicSeconds()
    let result = body()
    self[part] += monotonicSeconds() - start
    return result
  }

  package static func += (left: inout StepProfile, right: StepProfile) {
    for index in left.values.indices { left.values[index] += right.values[index] }
  }
}

extension StepPart {
  fileprivate var rawIndex: Int {
    switch self {
    case .products: 0
    case .adapters: 1
    case .attention: 2
    case .loss: 3
    case .elements: 4
    case .optimizer: 5
    }
  }
}

/// Seconds on a clock that only goes forward: some tens of nanoseconds a call.
func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
