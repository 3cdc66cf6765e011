// SPDX-License-Identifier: Apache-2.0
package import Compute
import Examples
package import LanguageModels

/// What a training run will take, part by part, before it takes it.
package struct TrainingMemory: Sendable, Equatable {
  /// The model's buffers.
  package let plan: MemoryPlan
  /// What operations need for their own duration, found by a rehearsal: expanded weights, a chunk of
  /// logits and packed keys share it.
  package let work: DeviceMemory
  /// Moments of the optimizer, for FedProx the factors at the start and room for a term, and with
  /// record-level privacy the sum of clipped gradients.
  package let optimizerBytes: Int
  /// Copies of factors and moments while a checkpoint is written; 0 without checkpoints.
  package let checkpointBytes: Int
  /// The program itself: its code and libraries, tokenizer, records.
  package let programBytes: Int

  /// Largest resident size of the process, the mapped weights included.
  package var peakBytes: Int {
    plan.mappedBytes + plan.allocatedBytes + work.workBytes + optimizerBytes + checkpointBytes
      + programBytes
  }
}

/// Chooses how a step is cut into rows and what is kept of the forward pass.
package struct MemoryChoice {
  /// Longest row that is made of several examples, tokens: longer ones take more memory and gain
  /// next to nothing.
  package static let longestRow = 1024
  private static let shortestRow = 256
  /// Code, libraries and what they keep, bytes; the tokenizer's and the records' part comes on top.
  private static let codeBytes = 24 << 20
  /// Bytes that a tokenizer takes for an entry of its vocabulary.
  private static let bytesOfVocabularyEntry = 256
  /// Bytes that an example takes for a token.
  private static let bytesOfToken = 8

  let training: TrainingPlan
  let model: LanguageModel
  let optimizer: OptimizerSettings
  let savesCheckpoints: Bool
  let isPrivate: Bool

  /// - Parameter isPrivate: every record is a row of its own.
  package init(
    for training: TrainingPlan, model: LanguageModel, optimizer: OptimizerSettings,
    savesCheckpoints: Bool = false, isPrivate: Bool = false
  ) {
    self.training = training
    self.model = model
    self.optimizer = optimizer
    self.savesCheckpoints = savesCheckpoints
    self.isPrivate = isPrivate
  }

  /// The plan with the longest rows and the least to compute again that `budget` bytes allow; without
  /// a budget all is kept.
  ///
  /// Shorter rows cost less time than computing layers again, so they come first. The choice is a
  /// function of the model, the records and the options alone: another one would round otherwise.
  ///
  /// - Throws: ``TrainingError/memoryBudget(needed:budget:)``, ``TrainingError/model(_:)``.
  package func memory(budget: Int?) throws(TrainingError) -> TrainingMemory {
    let longest = isPrivate ? 1 : Self.longestRow
    guard let budget else { return try memory(limit: longest, budget: nil) }
    var limits: [Int] = isPrivate ? [longest] : []
    var limit = longest
    while limit >= Self.shortestRow {
      limits.append(limit)
      limit /= 2
    }
    for limit in limits {
      let memory = try memory(limit: limit, budget: nil)
      if memory.peakBytes <= budget { return memory }
    }
    var smallest = Int.max
    for limit in limits {
      let memory = try memory(limit: limit, budget: budget)
      if memory.peakBytes <= budget { return memory }
      smallest = min(smallest, memory.peakBytes)
    }
    throw .memoryBudget(needed: smallest, budget: budget)
  }

  private func memory(limit: Int, budget: Int?) throws(TrainingError) -> TrainingMemory {
    let rows = max(1, training.longestRow(limit: limit))
    // What operations need depends on the rows, not on what is kept.
    let least = model.memoryPlan(rows: rows, trains: true, budget: 0)
    let work: DeviceMemory
    do {
      work = try model.rehearse(least, rows: training.extremeRows(limit: limit), trains: true)
    } catch {
      throw .model(error)
    }
    let factors = 4 * (model.lora?.count ?? 0)
    let entries = model.config.vocabularySize
    let tokens = training.set.lengths.reduce(0, +)
    func memory(_ plan: MemoryPlan) -> TrainingMemory {
      TrainingMemory(
        plan: plan, work: work, optimizerBytes: factors * ((optimizer.proximal > 0 ? 4 : 2) + (isPrivate ? 1 : 0)),
        checkpointBytes: savesCheckpoints ? 3 * factors : 0,
        programBytes: Self.codeBytes + Self.bytesOfVocabularyEntry * entries
          + Self.bytesOfToken * tokens)
    }
    guard let budget else { return memory(model.memoryPlan(rows: rows, trains: true)) }
    let others = memory(least).peakBytes - least.allocatedBytes
    return memory(
      model.memoryPlan(
        rows: rows, trains: true, budget: budget - others, context: training.meanContext))
  }
}
