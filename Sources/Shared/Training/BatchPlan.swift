// SPDX-License-Identifier: Apache-2.0
package import LanguageModels
package import Randomness
package import Records

/// One record as the trainer takes it.
package struct TrainingExample: Sendable {
  package let tokens: [Int32]
  /// By token: it is to be predicted from those before it.
  package let isTarget: [Bool]
  package let location: RecordLocation
  /// `cl_score.quality`, where the record has it.
  package let quality: Double?

  package init(
    tokens: [Int32], isTarget: [Bool], location: RecordLocation, quality: Double? = nil
  ) {
    self.tokens = tokens
    self.isTarget = isTarget
    self.location = location
    self.quality = quality
  }

  /// Targets that something precedes.
  package var targetCount: Int { isTarget.dropFirst().count { $0 } }
}

/// In which order an epoch takes the records.
package enum RecordOrder: String, Sendable, CaseIterable {
  /// A new permutation every epoch.
  case shuffled
  case asIs = "as-is"
  /// Shortest first.
  case length
  /// Best first.
  case quality
}

/// How many records a step takes.
package enum BatchSize: Sendable, Equatable {
  /// Records as long as they fit; a longer one is a step of its own.
  case tokens(Int)
  /// Exactly so many, but for the last step of an epoch.
  case records(Int)
}

/// How long to train.
package enum TrainingLength: Sendable, Equatable {
  case steps(Int)
  case epochs(Int)
}

/// Which records each step takes, fixed before training starts. A step never spans two epochs.
package struct BatchPlan: Sendable, Equatable {
  /// Indices of records by step.
  package let steps: [[Int]]

  /// - Parameters:
  ///   - stream: the generator of epoch `e`'s permutation.
  /// - Throws: ``TrainingError/noRecords``, ``TrainingError/missingQuality(_:)``.
  package init(
    examples: [TrainingExample], order: RecordOrder, batch: BatchSize, length: TrainingLength,
    stream: (_ epoch: Int) -> Philox
  ) throws(TrainingError) {
    let wanted: Int
    switch length {
    case .steps(let count): wanted = count
    case .epochs: wanted = Int.max
    }
    var steps: [[Int]] = []
    if wanted == 0 {
      self.steps = []
      return
    }
    if examples.isEmpty { throw .noRecords }
    var epoch = 0
    while steps.count < wanted {
      if case .epochs(let count) = length, epoch >= count { break }
      let sequence = try BatchPlan.sequence(
        examples, order: order, stream: stream(epoch))
      steps.append(contentsOf: BatchPlan.cut(sequence, examples, batch))
      epoch += 1
    }
    self.steps = Array(steps.prefix(wanted))
  }

  private static func sequence(
    _ examples: [TrainingExample], order: RecordOrder, stream: Philox
  ) throws(TrainingError) -> [Int] {
    let indices = Array(examples.indices)
    switch order {
    case .asIs: return indices
    case .shuffled:
      var stream = stream
      return stream.permutation(count: examples.count)
    case .length:
      return indices.sorted {
        let (left, right) = (examples[$0].tokens.count, examples[$1].tokens.count)
        return left != right ? left < right : $0 < $1
      }
    case .quality:
      var qualities: [Double] = []
      for example in examples {
        guard let quality = example.quality else { throw .missingQuality(example.location) }
        qualities.append(quality)
      }
      return indices.sorted {
        qualities[$0] != qualities[$1] ? qualities[$0] > qualities[$1] : $0 < $1
      }
    }
  }

  private static func cut(
    _ sequence: [Int], _ examples: [TrainingExample], _ batch: BatchSize
  ) -> [[Int]] {
    var steps: [[Int]] = []
    var tokens = 0
    for index in sequence {
      let count = examples[index].tokens.count
      let isFull =
        switch batch {
        case .tokens(let limit): tokens + count > limit
        case .records(let limit): steps.last?.count == limit
        }
      if steps.isEmpty || isFull {
        steps.append([])
        tokens = 0
      }
      steps[steps.count - 1].append(index)
      tokens += count
    }
    return steps
  }

  /// Cuts the records of a step into packed rows of at most `rows` tokens; a longer record is a row
  /// of its own.
  package static func pack(
    _ step: [Int], of examples: [TrainingExample], rows: Int
  ) -> [(row: PackedRow, records: [Int])] {
    var packed: [(row: PackedRow, records: [Int])] = []
    for index in step {
      let example = examples[index]
      if packed.isEmpty || packed[packed.count - 1].row.count + example.tokens.count > rows {
        packed.append((PackedRow(), []))
      }
      packed[packed.count - 1].row.append(tokens: example.tokens, isTarget: example.isTarget)
      packed[packed.count - 1].records.append(index)
    }
    return packed
  }
}
