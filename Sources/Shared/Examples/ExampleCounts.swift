// SPDX-License-Identifier: Apache-2.0

/// What the examples of a file hold, and what the context cut off.
package struct ExampleCounts: Sendable, Equatable {
  /// Records, those without a target included.
  package var records = 0
  /// Records that lost their end.
  package var truncatedRecords = 0
  /// Records that have no target, or none left.
  package var lostRecords = 0
  /// Tokens that the model sees.
  package var tokens = 0
  package var targetTokens = 0
  package var truncatedTokens = 0
  package var truncatedTargetTokens = 0

  package init() {}

  package mutating func add(_ example: Example) {
    records += 1
    truncatedRecords += example.isTruncated ? 1 : 0
    lostRecords += example.isLost ? 1 : 0
    tokens += example.tokens.count
    targetTokens += example.targetCount
    truncatedTokens += example.fullTokenCount - example.tokens.count
    truncatedTargetTokens += example.truncatedTargetCount
  }
}
