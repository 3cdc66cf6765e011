// SPDX-License-Identifier: Apache-2.0

/// Texts as Python sees them: rows of code points.
enum JinjaText {
  static func scalars(_ text: [UInt8]) -> [Unicode.Scalar] {
    Array(String(decoding: text, as: UTF8.self).unicodeScalars)
  }

  static func bytes(_ scalars: some Sequence<Unicode.Scalar>) -> [UInt8] {
    var text = String.UnicodeScalarView()
    text.append(contentsOf: scalars)
    return Array(String(text).utf8)
  }

  static func length(_ text: [UInt8]) -> Int { text.count { $0 & 0xc0 != 0x80 } }

  /// Where `part` begins at or after `start`.
  static func find(_ part: [UInt8], in text: [UInt8], from start: Int) -> Int? {
    if part.isEmpty { return start }
    guard text.count >= part.count, start <= text.count - part.count else { return nil }
    for index in start...text.count - part.count
    where text[index] == part[0] && text[index..<index + part.count].elementsEqual(part) {
      return index
    }
    return nil
  }

  /// The pieces between occurrences of `separator`, at most `limit` cuts.
  static func split(_ text: [UInt8], by separator: [UInt8], limit: Int) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var start = 0
    while result.count < limit, let index = find(separator, in: text, from: start) {
      result.append(Array(text[start..<index]))
      start = index + separator.count
    }
    return result + [Array(text[start...])]
  }

  /// The pieces between runs of white space, at most `limit` cuts.
  static func words(_ text: [UInt8], limit: Int) -> [[UInt8]] {
    var result: [[UInt8]] = []
    let scalars = scalars(text)
    var index = 0
    while true {
      while index < scalars.count, scalars[index].properties.isWhitespace { index += 1 }
      if index == scalars.count { return result }
      if result.count == limit {
        result.append(strip(bytes(scalars[index...]), nil, left: false, right: true))
        return result
      }
      let start = index
      while index < scalars.count, !scalars[index].properties.isWhitespace { index += 1 }
      result.append(bytes(scalars[start..<index]))
    }
  }

  static func replace(
    _ old: [UInt8], by new: [UInt8], in text: [UInt8], limit: Int
  ) -> [UInt8] {
    if old.isEmpty { return text }
    return Array(split(text, by: old, limit: limit).joined(separator: new))
  }

  /// Without the characters of `set` (white space if nil) at the chosen ends.
  static func strip(_ text: [UInt8], _ set: [UInt8]?, left: Bool, right: Bool) -> [UInt8] {
    let members = set.map { Set(scalars($0)) }
    func isStripped(_ scalar: Unicode.Scalar) -> Bool {
      if let members { return members.contains(scalar) }
      // Python's str.isspace also has the four separators U+001C to U+001F.
      return scalar.properties.isWhitespace || (0x1c...0x1f).contains(scalar.value)
    }
    let view = String(decoding: text, as: UTF8.self).unicodeScalars
    var first = view.startIndex
    var last = view.endIndex
    if left { while first < last, isStripped(view[first]) { first = view.index(after: first) } }
    if right {
      while first < last, isStripped(view[view.index(before: last)]) {
        last = view.index(before: last)
      }
    }
    return Array(String(view[first..<last]).utf8)
  }

  static func uppercase(_ text: [UInt8]) -> [UInt8] {
    scalars(text).flatMap { Array($0.properties.uppercaseMapping.utf8) }
  }

  static func lowercase(_ text: [UInt8]) -> [UInt8] {
    scalars(text).flatMap { Array($0.properties.lowercaseMapping.utf8) }
  }

  static func capitalize(_ text: [UInt8]) -> [UInt8] {
    let scalars = scalars(text)
    guard let first = scalars.first else { return [] }
    return Array(first.properties.titlecaseMapping.utf8) + lowercase(bytes(scalars.dropFirst()))
  }

  /// Each word capitalized; a word begins where a letter follows none.
  static func title(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var inWord = false
    for scalar in scalars(text) {
      let properties = scalar.properties
      result += Array(
        (inWord ? properties.lowercaseMapping : properties.titlecaseMapping).utf8)
      inWord = properties.isCased
    }
    return result
  }

  /// A float as Python writes it.
  static func float(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    let text = "\(value)"
    guard let e = text.firstIndex(of: "e"), let exponent = Int(text[text.index(after: e)...]) else {
      return text
    }
    // Swift switches to exponents at 2^54 and writes e-05 as e-05; Python at 1e16.
    var mantissa = String(text[..<e])
    if mantissa.hasSuffix(".0") { mantissa.removeLast(2) }
    let digits = "\(abs(exponent))"
    return mantissa + "e" + (exponent < 0 ? "-" : "+") + (digits.count < 2 ? "0" : "") + digits
  }
}
