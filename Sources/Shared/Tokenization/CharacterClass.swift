// SPDX-License-Identifier: Apache-2.0

/// What the splitting patterns ask of a character: `\p{L}`, `\p{N}`, `\s`, or none of them.
///
/// The three are disjoint. From the standard library's Unicode tables (general categories L* and
/// N*, property White_Space), pinned to Unicode 16 as the reference (`tokenizers` 0.23) has it, so
/// that a newer Swift does not change token ids.
enum CharacterClass {
  static let other: UInt8 = 0
  static let letter: UInt8 = 1
  static let number: UInt8 = 2
  static let space: UInt8 = 3

  private static let unicodeVersion = 16

  static func of(_ scalar: Unicode.Scalar) -> UInt8 {
    let properties = scalar.properties
    let kind =
      switch properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
        letter
      case .decimalNumber, .letterNumber, .otherNumber: number
      default: properties.isWhitespace ? space : other
      }
    if kind == letter || kind == number, let age = properties.age, age.major > unicodeVersion {
      return other
    }
    return kind
  }

  /// Whether `\w` of the Rust `regex` crate matches: letters, marks, decimal digits, connectors.
  static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.properties.isAlphabetic || scalar.properties.isJoinControl { return true }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation:
      return true
    default: return false
    }
  }

  /// What the cased patterns (tekken, GPT-4o) ask of a character; the bits of ``casedTable``.
  static let upperSide: UInt8 = 1  // Lu Lt Lm Lo M
  static let lowerSide: UInt8 = 2  // Ll Lm Lo M

  private static func sides(_ scalar: Unicode.Scalar) -> UInt8 {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .titlecaseLetter: upperSide
    case .lowercaseLetter: lowerSide
    case .modifierLetter, .otherLetter, .nonspacingMark, .spacingMark, .enclosingMark:
      upperSide | lowerSide
    default: 0
    }
  }

  private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: false
    }
  }

  // Made once, on first use (about 3 ms each).
  static let table = ClassTable(CharacterClass.of)
  /// As ``table``, with marks (`\p{M}`) among the letters.
  static let tableWithMarks = ClassTable { isMark($0) ? letter : CharacterClass.of($0) }
  static let casedTable = ClassTable(sides)
}

/// One byte for each character: looked up for the Basic Multilingual Plane and for U+1F000 to
/// U+1FFFF, where the emoji are; found out anew for others.
final class ClassTable: @unchecked Sendable {
  // Written only in `init`, then read by many threads.
  private let classes: UnsafeMutablePointer<UInt8>
  private let classify: @Sendable (Unicode.Scalar) -> UInt8

  private static let emoji: Range<UInt32> = 0x1f000..<0x20000

  init(_ classify: @escaping @Sendable (Unicode.Scalar) -> UInt8) {
    self.classify = classify
    classes = .allocate(capacity: 0x11000)
    for value in 0..<0x10000 {
      classes[value] = Unicode.Scalar(UInt32(value)).map(classify) ?? 0
    }
    for value in ClassTable.emoji {
      classes[Int(value - 0xf000)] = Unicode.Scalar(value).map(classify) ?? 0
    }
  }

  deinit { classes.deallocate() }

  /// The classes of U+0000 to U+FFFF.
  var base: UnsafePointer<UInt8> { UnsafePointer(classes) }

  /// The class of a character beyond U+FFFF.
  func beyond(_ value: UInt32) -> UInt8 {
    if ClassTable.emoji.contains(value) { return classes[Int(value - 0xf000)] }
    return Unicode.Scalar(value).map(classify) ?? 0
  }
}

/// A character read from UTF-8, and the bytes it took.
struct DecodedScalar {
  var value: UInt32
  var length: Int

  /// Reads the character at `offset`, which is below `end`.
  ///
  /// Text is expected to be valid. A byte that starts no sequence is taken alone, as U+FFFD, so
  /// that nothing traps and no byte is lost.
  @inline(__always)
  init(_ bytes: UnsafePointer<UInt8>, at offset: Int, end: Int) {
    let first = UInt32(bytes[offset])
    if first < 0x80 {
      value = first
      length = 1
      return
    }
    value = 0xfffd
    length = 1
    let size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
    guard first >= 0xc2, first <= 0xf4, offset + size <= end else { return }
    var result = first & (0x7f >> UInt32(size))
    for index in 1..<size {
      let byte = UInt32(bytes[offset + index])
      guard byte & 0xc0 == 0x80 else { return }
      result = result << 6 | (byte & 0x3f)
    }
    guard result < 0x110000 else { return }
    value = result
    length = size
  }

  /// The last character before `end`; `start` is below `end`.
  init(_ bytes: UnsafePointer<UInt8>, before end: Int, start: Int) {
    var offset = end - 1
    while offset > start, end - offset < 4, bytes[offset] & 0xc0 == 0x80 { offset -= 1 }
    self.init(bytes, at: offset, end: end)
    if offset + length != end {
      value = 0xfffd
      length = 1
    }
  }

  var scalar: Unicode.Scalar { Unicode.Scalar(value) ?? "\u{fffd}" }
}
