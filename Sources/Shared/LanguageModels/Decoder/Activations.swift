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

  /// Computed from what attention returns and the layer's input: can be computed again without
  /// attention, and in the last layer perhaps for target rows only.
  var followsAttention: Bool {
    switch self {
    case .middle, .attentionOutputHidden, .attentionResult, .attentionResultInverseRMS,
      .middleInverseRMS, .feedForwardInputHidden, .gate, .up, .feedForwardOutputHidden,
      .feedForwardResult, .feedForwardResultInverseRMS:
      true
    default: false
    }
  }
}

/// The saved tensors of one layer for a row of `rows` tokens: slices of two buffers, one for each
/// half of the layer.
struct LayerActivations {
  private let attention: Buffer
  private let upper: Buffer
  private let widths: [Int]
  private let rows: Int
  private let upperRows: Int

  /// - Parameter upperRows: rows of what follows attention, at most `rows`.
  /// - Precondition: each buffer holds rows · Σ widths values of its tensors.
  init(attention: Buffer, upper: Buffer, widths: [Int], rows: Int, upperRows: Int) {
    self.attention = attention
    self.upper = upper
    self.widths = widths
    self.rows = rows
    self.upperRows = upperRows
  }

  subscript(_ tensor: Saved) -> Buffer {
    var offset = 0
    for other in Saved.allCases[..<tensor.rawValue]
    where other.followsAttention == tensor.followsAttention {
      offset += widths[other.rawValue]
    }
    let (half, count) = tensor.followsAttention ? (upper, upperRows) : (attention, rows)
    return half.slice(at: offset * rows, count: widths[tensor.rawValue] * count)
  }
}
