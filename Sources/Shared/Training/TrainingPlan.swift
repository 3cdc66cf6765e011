// SPDX-License-Identifier: Apache-2.0
package import Examples
import LanguageModels
package import Randomness
import Streams

/// How long to train.
package enum TrainingLength: Sendable, Equatable {
  case steps(Int)
  case epochs(Int)
}

/// The examples of a run and the steps that take them, fixed before training starts.
package struct TrainingPlan: Sendable {
  package let set: ExampleSet
  /// Indices of examples by step; a step never spans two epochs. With record-level privacy a step may be
  /// empty.
  package let steps: [[Int]]

  /// - Parameters:
  ///   - streamPath: names the random order of this run, see `BatchSampler`.
  ///   - source: where the records came from, for messages.
  /// - Throws: ``TrainingError/noRecords(source:)`` if there are steps to do and nothing to do them with,
  ///   ``TrainingError/examples(_:)`` for a record without quality under the order `quality`.
  package init(
    set: ExampleSet, order: ExampleOrder, budget: BatchBudget, length: TrainingLength, seed: Seed,
    streamPath: [String], source: String = ""
  ) throws(TrainingError) {
    self.set = set
    var qualities: [Double] = []
    if order == .quality {
      do { qualities = try set.allQualities() } catch { throw .examples(error) }
    }
    var sampler = BatchSampler(
      lengths: set.lengths, qualities: qualities, order: order, budget: budget, seed: seed,
      streamPath: streamPath)
    let count: Int
    switch length {
    case .steps(let steps): count = steps
    case .epochs(let epochs): count = sampler.stepCount(epochs: epochs)
    }
    if set.examples.isEmpty, length != .steps(0) { throw .noRecords(source: source) }
    var steps: [[Int]] = []
    steps.reserveCapacity(count)
    for index in 0..<count {
      guard let step = sampler.step(index) else { throw .noRecords(source: source) }
      steps.append(step.examples)
    }
    self.steps = steps
  }

  /// Steps that take every example by chance, as record-level privacy asks for.
  ///
  /// - Throws: ``TrainingError/noRecords(source:)``.
  package init(
    set: ExampleSet, privacy: RecordPrivacy, length: TrainingLength, seed: Seed,
    streamPath: [String], source: String = ""
  ) throws(TrainingError) {
    if set.examples.isEmpty { throw .noRecords(source: source) }
    self.set = set
    let count =
      switch length {
      case .steps(let steps): steps
      case .epochs(let epochs): privacy.steps(epochs: epochs)
      }
    steps = privacy.sample(set, steps: count, seed: seed, streamPath: streamPath)
  }

  /// Digest of the examples' tokens and targets.
  static func digest(_ set: ExampleSet) -> String {
    let digest = ContentDigest()
    for example in set.examples {
      digest.update("\(example.tokens.count) ")
      example.tokens.withUnsafeBytes { digest.update($0) }
      digest.update(example.isTarget.map { $0 ? 1 : 0 })
    }
    return digest.hexadecimal()
  }

  /// The rows of a step, each of at most `limit` tokens unless one example is longer.
  func rows(of step: Int, limit: Int) -> [(row: PackedRow, examples: ArraySlice<Int>)] {
    let indices = steps[step]
    let lengths = indices.map { set.examples[$0].tokens.count }
    return RowCut.rows(lengths: lengths, limit: limit).map { range in
      var row = PackedRow()
      for index in indices[range] {
        row.append(tokens: set.examples[index].tokens, isTarget: set.examples[index].isTarget)
      }
      return (row, indices[range])
    }
  }

  /// Tokens of the longest row that cutting to `limit` gives.
  package func longestRow(limit: Int) -> Int {
    var longest = 0
    for step in steps {
      let lengths = step.map { set.examples[$0].tokens.count }
      for range in RowCut.rows(lengths: lengths, limit: limit) {
        longest = max(longest, lengths[range].reduce(0, +))
      }
    }
    return longest
  }

  /// The rows that need most: the one with the most tokens, and one with the longest example.
  func extremeRows(limit: Int) -> [PackedRow] {
    var longest: (row: ArraySlice<Int>, tokens: Int) = ([], 0)
    var deepest: (row: ArraySlice<Int>, tokens: Int) = ([], 0)
    for step in steps {
      let lengths = step.map { set.examples[$0].tokens.count }
      for range in RowCut.rows(lengths: lengths, limit: limit) {
        let (sum, most) = (lengths[range].reduce(0, +), lengths[range].max() ?? 0)
        if sum > longest.tokens { longest = (step[range], sum) }
        if most > deepest.tokens { deepest = (step[range], most) }
      }
    }
    return [longest.row, deepest.row].filter { !$0.isEmpty }.map { indices in
      PackedRow(indices.map { (set.examples[$0].tokens, set.examples[$0].isTarget) })
    }
  }

  /// Tokens of the example that the average token stands in.
  var meanContext: Int {
    let lengths = set.lengths
    let tokens = lengths.reduce(0, +)
    return tokens == 0 ? 0 : Int(lengths.reduce(0.0) { $0 + Double($1) * Double($1) }) / tokens
  }

  /// Targets of a step.
  func targets(of step: Int) -> Int {
    steps[step].reduce(0) { $0 + set.examples[$1].targetCount }
  }

  /// Tokens and targets of the first `count` steps.
  package func totals(steps count: Int) -> (tokens: Int, targets: Int) {
    steps[..<count].joined().reduce(into: (0, 0)) { total, index in
      total.0 += set.examples[index].tokens.count
      total.1 += set.examples[index].targetCount
    }
  }

  /// What training sees, each record counted once however many epochs there are. `qualityTokens` is
  /// Σ quality · tokens of the records that have a quality; nil if none has.
  package var seen: (records: Int, tokens: Int, targets: Int, qualityTokens: Double?) {
    var isSeen = [Bool](repeating: false, count: set.examples.count)
    for index in steps.joined() { isSeen[index] = true }
    var sum = (records: 0, tokens: 0, targets: 0, qualityTokens: Double?.none)
    for (index, example) in set.examples.enumerated() where isSeen[index] {
      sum.records += 1
      sum.tokens += example.tokens.count
      sum.targets += example.targetCount
      if let quality = set.qualities[index] {
        sum.qualityTokens = (sum.qualityTokens ?? 0) + quality * Double(example.tokens.count)
      }
    }
    return sum
  }
}
