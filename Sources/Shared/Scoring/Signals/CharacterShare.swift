// SPDX-License-Identifier: Apache-2.0

/// The share of the scalars that are of one kind. Sources: the filters of Data-Juicer and NeMo Curator
/// (alphanumeric at least .25, special at most .25, digits .15, white space .25, parentheses .1).
struct CharacterShare: Signal {
  enum Kind: String, Sendable {
    /// Categories L, M and N.
    case alphanumeric
    /// Category N.
    case digits
    /// Lu and Lt that have a lower-case form of one scalar.
    case uppercase
    case whitespace
    /// Neither letter nor number nor white space.
    case special
    /// ( and ).
    case parentheses
  }

  let kind: Kind
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.characters]

  init(_ kind: Kind) { self.kind = kind }

  var name: String { "\(kind.rawValue)_characters" }
  var summary: String { "share of the characters that are \(kind.rawValue)" }

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.characters == 0 { return nil }
    let count =
      switch kind {
      case .whitespace: text.whitespace
      case .parentheses: text.withBytes { $0.count { $0 == 0x28 || $0 == 0x29 } }
      default: text.withBytes { scalars(in: $0) }
      }
    return Double(count) / Double(text.characters)
  }

  private func scalars(in bytes: UnsafeBufferPointer<UInt8>) -> Int {
    let table = ScalarTable.shared
    var (index, count) = (0, 0)
    while index < bytes.count {
      let scalar = UTF8Scalars.next(bytes, &index)
      let found = table.kind(scalar)
      let counts =
        switch kind {
        case .alphanumeric: !found.isDisjoint(with: .alphanumeric)
        case .digits: found.contains(.number)
        case .uppercase: found.contains(.letter) && found.contains(.folds)
        default: found.isDisjoint(with: [.letter, .number, .whitespace])
        }
      if counts { count += 1 }
    }
    return count
  }
}
