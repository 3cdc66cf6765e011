// SPDX-License-Identifier: Apache-2.0
import Compute

/// How far an answer may go.
package struct AnswerLimits: Sendable, Equatable {
  /// Tokens that end an answer; they are not part of it.
  package var stops: Set<Int32>
  /// Tokens of an answer at most.
  package var tokens: Int
  /// Tokens of prompt and answer together at most.
  package var context: Int
  /// Tokens of prompts that are computed at a time; a longer prompt is computed alone.
  package var rowTokens = 4096

  package init(stops: Set<Int32>, tokens: Int, context: Int) {
    self.stops = stops
    self.tokens = tokens
    self.context = context
  }
}

extension LanguageModel {
  /// The likeliest next token after each prompt, then the likeliest after that, until a limit; of equally
  /// likely ones the first.
  ///
  /// Answers are written side by side, with keys and values kept. An answer depends on its prompt alone but
  /// for the order of additions. Where the frequencies of positions depend on the length of an example, a
  /// sequence is computed anew as soon as they change.
  ///
  /// - Returns: the answers without their ends; an empty one for an empty prompt.
  /// - Throws: ``ModelError/tokenOutsideVocabulary(token:vocabulary:)``, ``ModelError/device(_:)``.
  package func greedyAnswers(
    to prompts: [[Int32]], limits: AnswerLimits
  ) throws(ModelError) -> [[Int32]] {
    var writing = GreedyWriting(prompts, limits: limits, cache: KeyValueCache(config, sequences: prompts.count))
    while true {
      let next = writing.next(config)
      if let row = next.whole.first {
        // All that is to be computed whole, some at a time.
        var group = [row]
        var count = writing.sequences[row].count
        for other in next.whole.dropFirst() {
          let length = writing.sequences[other].count
          if count + length > limits.rowTokens { break }
          group.append(other)
          count += length
        }
        writing.take(try lastTokens(whole: group, writing), of: group)
      } else if !next.steps.isEmpty {
        writing.take(try lastTokens(step: next.steps, writing), of: next.steps)
      } else {
        return writing.answers
      }
    }
  }

  private func lastTokens(
    whole group: [Int], _ writing: GreedyWriting
  ) throws(ModelError) -> [Int32] {
    var packed = PackedRow()
    for index in group {
      let tokens = writing.sequences[index]
      packed.append(tokens: tokens, isTarget: [Bool](repeating: false, count: tokens.count))
    }
    writing.cache.beginWhole(group)
    return try likeliest(packed, places: nil, writing.cache)
  }

  private func lastTokens(
    step group: [Int], _ writing: GreedyWriting
  ) throws(ModelError) -> [Int32] {
    var packed = PackedRow()
    var places: [Int] = []
    for index in group {
      let tokens = writing.sequences[index]
      packed.append(tokens: tokens.suffix(1), isTarget: [false])
      places.append(tokens.count - 1)
    }
    writing.cache.beginStep(group)
    return try likeliest(packed, places: places, writing.cache)
  }

  /// The likeliest token after the last one of each example.
  private func likeliest(
    _ packed: PackedRow, places: [Int]?, _ cache: KeyValueCache
  ) throws(ModelError) -> [Int32] {
    let decoder = try decoder(rows: packed.count, trains: false)
    decoder.cache = cache
    defer { decoder.cache = nil }
    let row = try decoder.prepare(packed, wantsAllRows: true, places: places)
    decoder.forward(row)
    return try decoder.likeliest(row, after: packed.starts.dropFirst().map { $0 - 1 })
  }
}

extension Decoder {
  /// The likeliest next token after some rows of a row whose forward pass has run.
  fileprivate func likeliest(_ row: Row, after rows: [Int32]) throws(ModelError) -> [Int32] {
    let (count, c, vocabulary) = (rows.count, config.hiddenSize, config.vocabularySize)
    let last = workspace.scratch(.dNormed, rows: count, width: c)
    device.gatherRows(
      last, x: workspace.residual(config.layerCount, rows: row.rows), rows: rows, columns: c)
    let normed = workspace.scratch(.normed, rows: count, width: c)
    norm(
      normed, inverse: workspace.scratch(.inverseRMS, rows: count, width: 1), x: last,
      gain: weights.finalNorm, rows: count, channels: c)
    let logits: Buffer
    do { logits = try device.allocate(count * vocabulary, label: "logits") } catch {
      throw .device(error)
    }
    defer { device.release(logits) }
    device.logits(
      logits, hidden: normed, head: weights.head, rows: count, softcap: config.logitSoftcap)
    return device.read(logits).withUnsafeBufferPointer { values in
      (0..<count).map { index in
        var best = 0
        let start = index * vocabulary
        for token in 1..<vocabulary where values[start + token] > values[start + best] {
          best = token
        }
        return Int32(best)
      }
    }
  }
}

/// Answers that are being written.
private struct GreedyWriting {
  /// Prompt and what is written so far.
  private(set) var sequences: [[Int32]]
  let cache: KeyValueCache
  private let limits: AnswerLimits
  private let prompts: [Int]
  private var isDone: [Bool]
  /// Tokens of each sequence that the cache holds.
  private var held: [Int]

  init(_ prompts: [[Int32]], limits: AnswerLimits, cache: KeyValueCache) {
    sequences = prompts
    self.limits = limits
    self.cache = cache
    self.prompts = prompts.map(\.count)
    held = prompts.map { _ in 0 }
    isDone = prompts.map { $0.isEmpty || $0.count >= limits.context || limits.tokens <= 0 }
  }

  var answers: [[Int32]] { zip(sequences, prompts).map { Array($0.dropFirst($1)) } }

  /// The sequences to go on with: those to compute from their start, and those by their last token.
  func next(_ config: DecoderConfig) -> (whole: [Int], steps: [Int]) {
    var result: (whole: [Int], steps: [Int]) = ([], [])
    for index in sequences.indices where !isDone[index] {
      let length = sequences[index].count
      let isNew = held[index] == 0 || config.ropes.contains { $0.changesFrequencies(at: length) }
      if isNew { result.whole.append(index) } else { result.steps.append(index) }
    }
    return result
  }

  /// Adds the next tokens of some sequences, which have passed through the decoder.
  mutating func take(_ tokens: [Int32], of group: [Int]) {
    for (index, token) in zip(group, tokens) {
      held[index] = sequences[index].count
      if limits.stops.contains(token) {
        finish(index)
        continue
      }
      sequences[index].append(token)
      let length = sequences[index].count
      if length - prompts[index] >= limits.tokens || length >= limits.context { finish(index) }
    }
  }

  private mutating func finish(_ index: Int) {
    isDone[index] = true
    cache.forget(index)
  }
}
