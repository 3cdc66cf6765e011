// SPDX-License-Identifier: Apache-2.0
package import Randomness

/// In which order an epoch takes the examples.
package enum ExampleOrder: String, Sendable, CaseIterable {
  /// Another random order each epoch.
  case shuffled
  /// The order of the file.
  case asIs = "as-is"
  /// The shortest first.
  case length
  /// The best first.
  case quality
}

/// How much one optimizer step takes.
package enum BatchBudget: Sendable, Equatable {
  /// Examples as long as their tokens fit; a longer example is a step of its own.
  case tokens(Int)
  /// Exactly so many examples; fewer at the end of an epoch.
  case records(Int)
}

/// Says which examples each optimizer step takes.
///
/// A step lies within one epoch. Everything follows from the arguments: any step can be asked for
/// at any time, so that a run resumes by going on with the next number.
package struct BatchSampler: Sendable {
  package struct Step: Sendable, Equatable {
    /// From 0.
    package let epoch: Int
    /// Indices of examples, in the order of the step.
    package let examples: [Int]
  }

  private let lengths: [Int]
  private let budget: BatchBudget
  private let seed: Seed
  private let path: [String]
  /// The order of every epoch; nil if each has another one.
  private let fixedOrder: [Int]?
  /// The first step of each known epoch, and one past the last one's steps.
  private var firstSteps = [0]
  /// The epoch cut last.
  private var cached: (epoch: Int, steps: [[Int]])?

  /// - Parameters:
  ///   - lengths: tokens of each example, in the order of the file.
  ///   - qualities: of each example; needed for ``ExampleOrder/quality`` and not used otherwise.
  ///   - streamPath: names the run's stream of random numbers, for example
  ///     `["round-2", "client-3"]`; the epoch is added.
  /// - Precondition: the budget is positive, and there are qualities if they are needed.
  package init(
    lengths: [Int], qualities: [Double] = [], order: ExampleOrder, budget: BatchBudget,
    seed: Seed, streamPath: [String]
  ) {
    switch budget {
    case .tokens(let count), .records(let count): precondition(count > 0, "an empty budget")
    }
    self.lengths = lengths
    self.budget = budget
    self.seed = seed
    path = ["train", "order"] + streamPath
    let indices = Array(lengths.indices)
    switch order {
    case .shuffled: fixedOrder = nil
    case .asIs: fixedOrder = indices
    case .length: fixedOrder = indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
    case .quality:
      precondition(qualities.count == lengths.count, "one quality an example")
      fixedOrder = indices.sorted { (-qualities[$0], $0) < (-qualities[$1], $1) }
    }
  }

  /// Steps in the first `epochs` epochs; 0 without examples.
  package mutating func stepCount(epochs: Int) -> Int {
    if lengths.isEmpty { return 0 }
    while firstSteps.count <= epochs { _ = cut(epoch: firstSteps.count - 1) }
    return firstSteps[max(0, epochs)]
  }

  /// Step `index`, from 0; nil without examples.
  package mutating func step(_ index: Int) -> Step? {
    if lengths.isEmpty || index < 0 { return nil }
    while firstSteps[firstSteps.count - 1] <= index { _ = cut(epoch: firstSteps.count - 1) }
    var epoch = firstSteps.count - 2
    while firstSteps[epoch] > index { epoch -= 1 }
    return Step(epoch: epoch, examples: cut(epoch: epoch)[index - firstSteps[epoch]])
  }

  /// The steps of an epoch, each a list of examples.
  private mutating func cut(epoch: Int) -> [[Int]] {
    if let cached, cached.epoch == epoch { return cached.steps }
    var steps: [[Int]] = []
    var current: [Int] = []
    var tokens = 0
    for example in order(of: epoch) {
      let isFull =
        switch budget {
        case .records(let limit): current.count == limit
        case .tokens(let limit): tokens + lengths[example] > limit
        }
      if isFull, !current.isEmpty {
        steps.append(current)
        current = []
        tokens = 0
      }
      current.append(example)
      tokens += lengths[example]
    }
    if !current.isEmpty { steps.append(current) }
    if epoch == firstSteps.count - 1 { firstSteps.append(firstSteps[epoch] + steps.count) }
    cached = (epoch, steps)
    return steps
  }

  private func order(of epoch: Int) -> [Int] {
    if let fixedOrder { return fixedOrder }
    var draws = seed.stream(path: path + ["epoch-\(epoch)"])
    return draws.permutation(count: lengths.count)
  }
}
