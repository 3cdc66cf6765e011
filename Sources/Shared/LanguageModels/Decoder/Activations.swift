// SPDX-License-Identifier: Apache-2.0
import Compute

/// What the forward pass of a layer leaves for the backward pass, named once with its width.
///
/// What one element-wise pass gives back (normed inputs, the gated product) is not kept.
enum Saved: Int, CaseIterable {
  /// Residual stream between attention and feed-forward.
  case middle
  /// Inverse RMS of the layer's input.
  case inputInverseRMS
  /// Input times the stacked A factors of query, key, value.
  case attentionInputHidden
  /// Query and key as projected, before head norms; only with head norms.
  case rawQuery, rawKey
  case queryInverseRMS, keyInverseRMS
  /// Query and key after rope, and value.
  case query, key, value
  /// What attention returns before the output projection.
  case attended
  case logSumExp
  case attentionOutputHidden
  /// What the output projection returns; only with sandwich norms.
  case attentionResult
  case attentionResultInverseRMS
  case middleInverseRMS
  case feedForwardInputHidden
  case gate, up
  case feedForwardOutputHidden
  /// What the down projection returns; only with sandwich norms.
  case feedForwardResult
  case feedForwardResultInverseRMS

  /// Values a token.
  func width(_ config: DecoderConfig, rank: (Stage) -> Int) -> Int {
    let attention = config.headCount * config.headSize
    let keyValue = config.keyValueHeadCount * config.headSize
    let headNorms = config.hasHeadNorms ? 1 : 0
    let sandwich = config.hasSandwichNorms ? 1 : 0
    return switch self {
    case .middle: config.hiddenSize
    case .inputInverseRMS, .middleInverseRMS: 1
    case .attentionInputHidden: rank(.attentionInput)
    case .rawQuery: headNorms * attention
    case .rawKey: headNorms * keyValue
    case .queryInverseRMS: headNorms * config.headCount
    case .keyInverseRMS: headNorms * config.keyValueHeadCount
    case .query, .attended: attention
    case .key, .value: keyValue
    case .logSumExp: config.headCount
    case .attentionOutputHidden: rank(.attentionOutput)
    case .attentionResult, .feedForwardResult: sandwich * config.hiddenSize
    case .attentionResultInverseRMS, .feedForwardResultInverseRMS: sandwich
    case .feedForwardInputHidden: rank(.feedForwardInput)
    case .gate, .up: config.intermediateSize
    case .feedForwardOutputHidden: rank(.feedForwardOutput)
    }
  }

  /// Values a token of one layer, all of them.
  static func width(_ config: DecoderConfig, rank: (Stage) -> Int) -> Int {
    allCases.reduce(0) { $0 + $1.width(config, rank: rank) }
  }
}

/// The saved tensors of one layer for a row of `rows` tokens: slices of one buffer.
struct LayerActivations {
  private let storage: Buffer
  private let widths: [Int]
  private let rows: Int

  /// - Precondition: `storage` holds rows · Σ widths values.
  init(storage: Buffer, widths: [Int], rows: Int) {
    self.storage = storage
    self.widths = widths
    self.rows = rows
  }

  subscript(_ tensor: Saved) -> Buffer {
    var offset = 0
    for index in 0..<tensor.rawValue { offset += widths[index] }
    return storage.slice(at: offset * rows, count: widths[tensor.rawValue] * rows)
  }
}
