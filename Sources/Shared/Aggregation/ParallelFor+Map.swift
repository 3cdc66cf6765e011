// SPDX-License-Identifier: Apache-2.0
import Compute

extension ParallelFor {
  /// `body` of each index, in order.
  func map<Result>(_ count: Int, _ body: (Int) -> Result) -> [Result] {
    [Result](unsafeUninitializedCapacity: count) { results, initialized in
      let base = results.baseAddress
      self(count) { task, _ in
        if let base { (base + task).initialize(to: body(task)) }
      }
      initialized = count
    }
  }
}
