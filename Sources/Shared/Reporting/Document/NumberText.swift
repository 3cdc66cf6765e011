// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Numbers as they stand in the report: always the same text for the same value.
package enum NumberText {
  /// Stands where there is no value.
  package static let none = "–"

  /// `value` with `digits` decimals and a real minus sign.
  package static func fixed(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite else { return none }
    if abs(value) >= 1e15 { return significant(value, 4) }
    var text = format("%.*f", digits, abs(value))
    if value < 0 && text.contains(where: { $0 != "0" && $0 != "." }) { text = "−" + text }
    return text
  }

  /// As ``fixed(_:_:)`` with a sign before positive values too: a difference.
  package static func signed(_ value: Double, _ digits: Int) -> String {
    let text = fixed(value, digits)
    let isZero = !text.contains { $0 >= "1" && $0 <= "9" }
    return value > 0 && !isZero ? "+" + text : text
  }

  /// A count with its thousands set apart by commas.
  package static func count(_ value: Int) -> String {
    let digits = Array(String(value.magnitude))
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0 && (digits.count - index) % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return value < 0 ? "−" + text : text
  }

  package static func count(_ value: Int?) -> String { value.map { count($0) } ?? none }

  /// `digits` significant digits; powers of ten for the very small and very large.
  package static func significant(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite else { return none }
    if value == 0 { return "0" }
    let sign = value < 0 ? "−" : ""
    let scientific = format("%.*e", digits - 1, abs(value))
    guard let mark = scientific.firstIndex(of: "e"),
      let exponent = Int(scientific[scientific.index(after: mark)...])
    else { return none }
    if exponent < -4 || exponent > 6 {
      return sign + scientific[..<mark] + " × 10" + superscript(exponent)
    }
    return sign + format("%.*f", max(0, digits - 1 - exponent), abs(value))
  }

  /// The shortest text that reads back the same, whole numbers without a fraction.
  package static func shortest(_ value: Double) -> String {
    guard value.isFinite else { return none }
    let text = Int(exactly: value).map { count($0) } ?? "\(value)"
    return text.hasPrefix("-") ? "−" + text.dropFirst() : text
  }

  /// A share of one, in per cent.
  package static func percent(_ share: Double, _ digits: Int = 1) -> String {
    share.isFinite ? fixed(share * 100, digits) + " %" : none
  }

  package static func bytes(_ value: Int) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    var amount = Double(value)
    var unit = 0
    while abs(amount) >= 1024 && unit < units.count - 1 {
      amount /= 1024
      unit += 1
    }
    return unit == 0 ? "\(value) B" : "\(fixed(amount, amount < 10 ? 2 : 1)) \(units[unit])"
  }

  package static func seconds(_ value: Double) -> String {
    guard value.isFinite else { return none }
    if value < 120 { return "\(fixed(value, value < 10 ? 2 : 1)) s" }
    guard value < 1e9 else { return "\(significant(value, 3)) s" }
    let whole = Int(value.rounded())
    let (hours, minutes) = (whole / 3600, whole / 60 % 60)
    return hours > 0 ? "\(hours) h \(minutes) min" : "\(minutes) min \(whole % 60) s"
  }

  /// A length in a drawing: at most two decimals, no trailing zeros.
  package static func coordinate(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e9 else { return "0" }
    let hundredths = Int((value * 100).rounded())
    let magnitude = hundredths.magnitude
    var text = "\(magnitude / 100)"
    let rest = magnitude % 100
    if rest > 0 { text += rest % 10 == 0 ? ".\(rest / 10)" : rest < 10 ? ".0\(rest)" : ".\(rest)" }
    return hundredths < 0 ? "-" + text : text
  }

  /// `singular` for one, else the plural: `3 rounds`.
  package static func counted(_ value: Int, _ singular: String, _ plural: String? = nil) -> String {
    "\(count(value)) \(value == 1 ? singular : plural ?? singular + "s")"
  }

  /// Several paths as one, the part in which they differ as a star:
  /// `round-001/client-*.events.jsonl`.
  package static func paths(_ paths: [String]) -> String {
    guard let first = paths.first, paths.contains(where: { $0 != first }) else {
      return paths.first ?? none
    }
    let all = paths.map { Array($0) }
    let shortest = all.map(\.count).min() ?? 0
    let one = all[0]
    let head = (0..<shortest).prefix { place in all.allSatisfy { $0[place] == one[place] } }.count
    let tail = (0..<(shortest - head)).prefix { place in
      all.allSatisfy { $0[$0.count - 1 - place] == one[one.count - 1 - place] }
    }.count
    // Digits that happen to be the same belong to the part that differs.
    var start = head
    while start > 0, one[start - 1].isNumber { start -= 1 }
    var end = tail
    while end > 0, one[one.count - end].isNumber { end -= 1 }
    return String(one[..<start]) + "*" + String(one[(one.count - end)...])
  }

  private static func superscript(_ exponent: Int) -> String {
    let digits = Array("⁰¹²³⁴⁵⁶⁷⁸⁹")
    return (exponent < 0 ? "⁻" : "")
      + String(String(exponent.magnitude).compactMap { $0.wholeNumberValue.map { digits[$0] } })
  }

  private static func format(_ pattern: String, _ digits: Int, _ value: Double) -> String {
    var buffer = [CChar](repeating: 0, count: 400)
    let length = withVaList([Int32(digits), value]) { vsnprintf(&buffer, 400, pattern, $0) }
    return String(
      decoding: buffer.prefix(max(0, Int(length))).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

extension Sequence<Int> {
  /// The sum; stops at the largest Int instead of overflowing.
  package var total: Int {
    reduce(0) { sum, value in
      let (result, overflow) = sum.addingReportingOverflow(value)
      return overflow ? .max : result
    }
  }
}
