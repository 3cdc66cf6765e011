// SPDX-License-Identifier: Apache-2.0
import Compute
import Glibc

/// Keys (after rope) and values of the tokens that some sequences have so far, by layer, so that the
/// next token needs one row of the decoder and not the whole sequence again.
///
/// It lies in host memory, and attention of a single query is computed there: the frozen weights, which
/// the device multiplies, are what such a row costs.
final class KeyValueCache {
  private let config: DecoderConfig
  /// By layer and sequence: (tokens, keyValueHeads · headSize).
  private var keys: [[[Float]]]
  private var values: [[[Float]]]
  /// The sequences that the rows, or examples, of the pass under way belong to.
  private(set) var sequences: [Int] = []
  /// The pass has one row a sequence, which follows what the cache holds.
  private(set) var isStep = false

  init(_ config: DecoderConfig, sequences: Int) {
    self.config = config
    let empty = [[Float]](repeating: [], count: sequences)
    keys = Array(repeating: empty, count: config.layerCount)
    values = keys
  }

  /// The next pass computes these sequences from their first token on; what was held of them is gone.
  func beginWhole(_ sequences: [Int]) {
    self.sequences = sequences
    isStep = false
    for sequence in sequences { forget(sequence) }
  }

  /// The next pass computes one token of each of these sequences.
  func beginStep(_ sequences: [Int]) {
    self.sequences = sequences
    isStep = true
  }

  /// Frees what is held of a sequence.
  func forget(_ sequence: Int) {
    for layer in keys.indices {
      keys[layer][sequence] = []
      values[layer][sequence] = []
    }
  }

  /// Takes the keys and values of the pass under way, whose examples begin at `starts`.
  func append(_ layer: Int, keys newKeys: [Float], values newValues: [Float], starts: [Int32]) {
    let width = config.keyValueHeadCount * config.headSize
    for (index, sequence) in sequences.enumerated() {
      let range = Int(starts[index]) * width..<Int(starts[index + 1]) * width
      keys[layer][sequence].append(contentsOf: newKeys[range])
      values[layer][sequence].append(contentsOf: newValues[range])
    }
  }

  /// softmax(scale · q · Kᵀ) · V for the last token of each sequence of a step.
  ///
  /// - Parameter query: (sequences, heads · headSize).
  /// - Returns: the same shape.
  func attend(_ layer: Int, query: [Float]) -> [Float] {
    let size = config.headSize
    let keyWidth = config.keyValueHeadCount * size
    let group = config.headCount / config.keyValueHeadCount
    var result = [Float](repeating: 0, count: query.count)
    var scores: [Float] = []
    result.withUnsafeMutableBufferPointer { result in
      query.withUnsafeBufferPointer { query in
        for (index, sequence) in sequences.enumerated() {
          keys[layer][sequence].withUnsafeBufferPointer { keys in
            values[layer][sequence].withUnsafeBufferPointer { values in
              let count = keys.count / keyWidth
              let first = config.windows[layer].map { max(0, count - $0) } ?? 0
              for head in 0..<config.headCount {
                let place = (index * config.headCount + head) * size
                let offset = head / group * size
                scores.removeAll(keepingCapacity: true)
                for token in first..<count {
                  scores.append(
                    score(query, at: place, keys, at: token * keyWidth + offset, size))
                }
                Self.softmax(&scores)
                for (token, weight) in zip(first..<count, scores) {
                  Self.add(
                    result, at: place, values, at: token * keyWidth + offset, size,
                    factor: weight)
                }
              }
            }
          }
        }
      }
    }
    return result
  }

  private func score(
    _ query: UnsafeBufferPointer<Float>, at first: Int, _ keys: UnsafeBufferPointer<Float>,
    at second: Int, _ size: Int
  ) -> Float {
    var lanes = SIMD8<Float>()
    var index = 0
    while index + 8 <= size {
      lanes += Self.lanes(query, first + index) * Self.lanes(keys, second + index)
      index += 8
    }
    var sum = lanes.sum()
    while index < size {
      sum += query[first + index] * keys[second + index]
      index += 1
    }
    let score = sum * config.attentionScale
    guard let cap = config.attentionSoftcap else { return score }
    return cap * tanhf(score / cap)
  }

  private static func softmax(_ scores: inout [Float]) {
    let maximum = scores.max() ?? 0
    var sum: Float = 0
    for index in scores.indices {
      scores[index] = expf(scores[index] - maximum)
      sum += scores[index]
    }
    for index in scores.indices { scores[index] /= sum }
  }

  private static func add(
    _ result: UnsafeMutableBufferPointer<Float>, at first: Int,
    _ values: UnsafeBufferPointer<Float>, at second: Int, _ size: Int, factor: Float
  ) {
    for index in 0..<size { result[first + index] += factor * values[second + index] }
  }

  /// Eight values from `index` on.
  @inline(__always)
  private static func lanes(_ values: UnsafeBufferPointer<Float>, _ index: Int) -> SIMD8<Float> {
    UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(values)[(4 * index)...])
      .loadUnaligned(as: SIMD8<Float>.self)
  }
}
