// SPDX-License-Identifier: Apache-2.0
package import LanguageModels

/// Chooses how a step is cut into rows and what is kept of the forward pass.
package enum MemoryChoice {
  /// Longest row that is made of several examples, tokens: longer ones take more memory and gain
  /// next to nothing.
  package static let longestRow = 1024
  private static let shortestRow = 256
  /// What the program and the device take besides the plan's buffers.
  package static let overheadBytes = 96 << 20

  /// The plan with the longest rows and the most kept layers that `budget` bytes allow; without a
  /// budget all is kept.
  ///
  /// Shorter rows cost less time than computing layers again, so they come first.
  ///
  /// - Throws: ``TrainingError/memoryBudget(needed:budget:)``.
  package static func plan(
    for training: TrainingPlan, model: LanguageModel, budget: Int?
  ) throws(TrainingError) -> MemoryPlan {
    var limits: [Int] = []
    var limit = longestRow
    while limit >= shortestRow {
      limits.append(limit)
      limit /= 2
    }
    func rows(_ limit: Int) -> Int { max(1, training.longestRow(limit: limit)) }
    guard let budget else {
      return model.memoryPlan(rows: rows(longestRow), trains: true)
    }
    let mapped = model.memoryPlan(rows: 1, trains: true).mappedBytes + overheadBytes
    for limit in limits {
      let plan = model.memoryPlan(rows: rows(limit), trains: true)
      if plan.allocatedBytes + mapped <= budget { return plan }
    }
    var smallest = Int.max
    for limit in limits {
      let plan = model.memoryPlan(rows: rows(limit), trains: true, budget: budget - mapped)
      if plan.allocatedBytes + mapped <= budget { return plan }
      smallest = min(smallest, plan.allocatedBytes + mapped)
    }
    throw .memoryBudget(needed: smallest, budget: budget)
  }
}
