// SPDX-License-Identifier: Apache-2.0

// Examples: from what a record says to what a model sees: token ids, which of them are to be
// predicted, in which order records are taken, and how they fill rows.

/// One record as a model sees it.
package struct Example: Sendable, Equatable {
  /// At most as many as the context holds.
  package let tokens: [Int32]
  /// Whether each token is to be predicted from those before it; never the first one.
  package let isTarget: [Bool]
  /// Targets among ``tokens``.
  package let targetCount: Int
  /// Tokens and targets of the whole record, before the context cut its end off.
  package let fullTokenCount: Int
  package let fullTargetCount: Int

  /// Takes a whole record's tokens and cuts them to the context.
  ///
  /// - Precondition: as many flags as tokens.
  package init(tokens: [Int32], isTarget: [Bool], context: Int) {
    precondition(tokens.count == isTarget.count, "one flag a token")
    var flags = isTarget
    if !flags.isEmpty { flags[0] = false }
    fullTokenCount = tokens.count
    fullTargetCount = flags.count { $0 }
    if tokens.count > context {
      self.tokens = Array(tokens.prefix(context))
      self.isTarget = Array(flags.prefix(context))
      targetCount = self.isTarget.count { $0 }
    } else {
      self.tokens = tokens
      self.isTarget = flags
      targetCount = fullTargetCount
    }
  }

  package var isTruncated: Bool { tokens.count < fullTokenCount }
  /// Nothing is left to be predicted.
  package var isLost: Bool { targetCount == 0 }
  package var truncatedTargetCount: Int { fullTargetCount - targetCount }

  /// The label that stands for "no target".
  package static let ignoredLabel: Int32 = -100

  /// The ids of targets in their places, -100 elsewhere, as in `labels` of a record.
  package var labels: [Int32] {
    zip(tokens, isTarget).map { $1 ? $0 : Example.ignoredLabel }
  }
}
