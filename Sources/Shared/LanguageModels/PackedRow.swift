// SPDX-License-Identifier: Apache-2.0
package import Compute

/// Examples packed back to back, as a decoder takes them: no padding, and no example sees another.
package struct PackedRow: Sendable, Equatable {
  /// Tokens of all examples.
  package private(set) var tokens: [Int32] = []
  /// First row of each example, then the number of tokens.
  package private(set) var starts: [Int32] = [0]
  /// Rows whose state predicts a target, ascending.
  package private(set) var targetRows: [Int32] = []
  /// The token that each target row has to predict.
  package private(set) var targets: [Int32] = []
  /// First target of each example, then the number of targets.
  package private(set) var targetStarts: [Int] = [0]

  package init() {}

  package init(_ examples: [(tokens: [Int32], isTarget: [Bool])]) {
    for example in examples { append(tokens: example.tokens, isTarget: example.isTarget) }
  }

  package var count: Int { tokens.count }
  package var exampleCount: Int { starts.count - 1 }

  /// Adds one example. `isTarget[i]` says that token i is to be predicted from those before it; the
  /// first token has none before it and is never a target.
  ///
  /// - Precondition: as many flags as tokens.
  package mutating func append(tokens ids: [Int32], isTarget: [Bool]) {
    precondition(ids.count == isTarget.count, "one flag a token")
    let start = tokens.count
    tokens.append(contentsOf: ids)
    for index in ids.indices.dropFirst() where isTarget[index] {
      targetRows.append(Int32(start + index - 1))
      targets.append(ids[index])
    }
    starts.append(Int32(tokens.count))
    targetStarts.append(targets.count)
  }

  /// Sums of the losses of each example's targets.
  package func examples(_ losses: [TargetLoss]) -> [ExampleLoss] {
    (0..<exampleCount).map { example in
      var sum = ExampleLoss()
      for loss in losses[targetStarts[example]..<targetStarts[example + 1]] { sum.add(loss) }
      return sum
    }
  }
}

/// What a model thinks of one example's targets.
package struct ExampleLoss: Sendable, Equatable {
  /// -Σ log p over the targets, nats.
  package var nll = 0.0
  package var targets = 0
  /// Targets that were the most likely token.
  package var correct = 0

  package init() {}

  package mutating func add(_ loss: TargetLoss) {
    nll += Double(loss.nll)
    targets += 1
    correct += loss.isTop ? 1 : 0
  }
}
