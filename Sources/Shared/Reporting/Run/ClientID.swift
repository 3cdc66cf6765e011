// SPDX-License-Identifier: Apache-2.0

/// A client as files, events and plans name it: `000`, `0` and 0 are the same one.
package struct ClientID: Hashable, Comparable, Sendable {
  /// Digits without leading zeros, or a name as given.
  package let name: String

  package init(_ text: String) {
    if !text.isEmpty && text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) {
      let digits = text.drop { $0 == "0" }
      name = digits.isEmpty ? "0" : String(digits)
    } else {
      name = text
    }
  }

  /// The client that a file is about: `client-003.events.jsonl` is client 3.
  package init?(fileName: String) {
    guard fileName.hasPrefix("client-") else { return nil }
    let rest = fileName.dropFirst(7).prefix { $0 != "." }
    if rest.isEmpty { return nil }
    self.init(String(rest))
  }

  private var isNumber: Bool { name.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } }

  /// How tables name it.
  package var label: String { isNumber ? "client \(name)" : name }

  /// Numbers first, in their order; then names by their bytes.
  package static func < (left: ClientID, right: ClientID) -> Bool {
    switch (left.isNumber, right.isNumber) {
    case (true, false): return true
    case (false, true): return false
    case (true, true) where left.name.utf8.count != right.name.utf8.count:
      return left.name.utf8.count < right.name.utf8.count
    default: return left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
    }
  }
}
