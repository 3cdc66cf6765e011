// SPDX-License-Identifier: Apache-2.0

/// Text from data, made safe to show.
package enum PrintableText {
  /// `text` with every character that is invisible, moves the cursor or turns the direction of
  /// writing (Unicode TR 36, section 3.1) shown as `U+XXXX`.
  package static func visible(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if isHidden(scalar.value) {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        let zeros = String(repeating: "0", count: max(0, 4 - digits.count))
        result.append(contentsOf: "U+\(zeros)\(digits)".unicodeScalars)
      } else {
        result.append(scalar)
      }
    }
    return String(result)
  }

  /// At most `limit` characters; what is cut off is shown as an ellipsis.
  package static func shortened(_ text: String, to limit: Int) -> String {
    text.count <= limit ? text : String(text.prefix(max(1, limit - 1))) + "…"
  }

  /// A SHA-256 cut to what tells files apart; any other text as it is.
  package static func digest(_ text: String) -> String {
    text.utf8.count == 64 && text.allSatisfy(\.isHexDigit) ? shortened(text, to: 13) : text
  }

  private static func isHidden(_ value: UInt32) -> Bool {
    switch value {
    case 0..<0x20, 0x7f..<0xa0: true  // control characters
    case 0xad, 0x034f, 0x061c, 0x115f...0x1160, 0x17b4...0x17b5, 0x180b...0x180f, 0x3164: true
    case 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x206f: true  // zero width, direction
    case 0xfe00...0xfe0f, 0xfeff, 0xffa0, 0xfff0...0xfffb: true
    case 0xfdd0...0xfdef: true  // no characters
    case 0x1bca0...0x1bca3, 0x1d173...0x1d17a, 0xe0000...0xe0fff: true
    default: value & 0xfffe == 0xfffe
    }
  }
}
