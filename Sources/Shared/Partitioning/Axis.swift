// SPDX-License-Identifier: Apache-2.0

/// A property of records by which they are divided, and along which imbalance is measured.
package enum Axis: Sendable, Hashable {
  /// Tokens, or words where there are none; see ``LengthUnit``.
  case length
  /// `cl_score.sentences`.
  case sentences
  /// `cl_score.quality`, 0...1.
  case quality
  /// `cl_score.score`, 0...1.
  case score
  /// The value of a field: string, number or boolean. The field may be a dotted path.
  case label(field: String)

  /// The axes whose values are numbers, in the order of plans.
  package static let numeric: [Axis] = [.length, .sentences, .quality, .score]

  /// As on the command line and in plans.
  package var name: String {
    switch self {
    case .length: "length"
    case .sentences: "sentences"
    case .quality: "quality"
    case .score: "score"
    case .label(let field): "label:\(field)"
    }
  }

  /// Counts have doublings, so their distances are measured in octaves; scores have points.
  package var isCount: Bool { self == .length || self == .sentences }
  package var isLabel: Bool { if case .label = self { true } else { false } }
}

/// What the length of the records was counted in. The same for all records of one partition.
package enum LengthUnit: String, Sendable {
  /// `cl_score.tokens`.
  case tokens
  /// The number of `input_ids`.
  case inputIDs = "input_ids"
  /// White-space separated words of the record's text.
  case words

  package var isTokens: Bool { self != .words }
}

/// What `--by` asks for.
package struct PropertyChoice: Sendable, Hashable {
  /// One axis, or the two of `joint:A,B`. Empty for `records`.
  package let axes: [Axis]
  /// `tokens` was said: words will not do.
  package let requiresTokens: Bool
  /// As on the command line.
  package let name: String

  package static let expectation =
    "length, tokens, sentences, quality, score, label:FIELD, joint:A,B or records"

  /// - Throws: ``PartitionError/invalidOption(_:value:expected:)``.
  package init(parsing text: String) throws(PartitionError) {
    name = text
    if text == "records" {
      (axes, requiresTokens) = ([], false)
    } else if text.hasPrefix("joint:") {
      let parts = text.dropFirst(6).split(separator: ",", omittingEmptySubsequences: false)
      guard parts.count == 2, let first = Self.axis(parts[0]), let second = Self.axis(parts[1]),
        first != second, !(first.isLabel && second.isLabel)
      else {
        throw .invalidOption(
          "--by", value: text, expected: "joint: and two of length, sentences, quality, score, label:FIELD")
      }
      (axes, requiresTokens) = ([first, second], parts.contains("tokens"))
    } else if let axis = Self.axis(text[...]) {
      (axes, requiresTokens) = ([axis], text == "tokens")
    } else {
      throw .invalidOption("--by", value: text, expected: Self.expectation)
    }
  }

  private static func axis(_ text: Substring) -> Axis? {
    if text == "tokens" { return .length }
    if text.hasPrefix("label:"), text.count > 6 {
      return .label(field: String(text.dropFirst(6)))
    }
    return Axis.numeric.first { $0.name == text }
  }
}
