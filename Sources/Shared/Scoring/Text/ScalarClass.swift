// SPDX-License-Identifier: Apache-2.0

/// What a Unicode scalar is to the scorer (Documentation/scores.md, "Characters").
struct ScalarClass: OptionSet {
  let rawValue: UInt8

  /// General category L or M.
  static let letter = ScalarClass(rawValue: 1)
  /// General category N.
  static let number = ScalarClass(rawValue: 2)
  /// Property White_Space.
  static let whitespace = ScalarClass(rawValue: 4)
  /// Ends a sentence at the end of a word, and a line.
  static let endMark = ScalarClass(rawValue: 8)
  /// Closing quotes and brackets, which may follow an end mark.
  static let closing = ScalarClass(rawValue: 16)
  /// General category Ll.
  static let lowercase = ScalarClass(rawValue: 32)
  /// Ends a sentence wherever it stands (scripts that put no space after it).
  static let fullStop = ScalarClass(rawValue: 64)
  /// ``ScalarTable/folded(_:)`` gives another scalar.
  static let folds = ScalarClass(rawValue: 128)

  static let alphanumeric: ScalarClass = [.letter, .number]
}

/// Classes and lower-case forms of all scalars; a table for the first 65,536.
final class ScalarTable: @unchecked Sendable {
  static let shared = ScalarTable()

  private static let size = 1 << 16
  private let classes: UnsafeMutablePointer<ScalarClass>
  private let folds: UnsafeMutablePointer<UInt16>

  private init() {
    classes = .allocate(capacity: ScalarTable.size)
    folds = .allocate(capacity: ScalarTable.size)
    for value in 0..<ScalarTable.size {
      var (kind, folded) = (ScalarClass(), UInt16(value))
      if let scalar = Unicode.Scalar(UInt32(value)) {
        kind = ScalarTable.compute(scalar)
        if kind.contains(.folds), let target = UInt16(exactly: ScalarTable.fold(scalar).value) {
          folded = target
        }
      }
      (classes + value).initialize(to: kind)
      (folds + value).initialize(to: folded)
    }
  }

  deinit {
    classes.deallocate()
    folds.deallocate()
  }

  @inline(__always)
  func kind(_ scalar: UInt32) -> ScalarClass {
    if scalar < UInt32(ScalarTable.size) { return classes[Int(scalar)] }
    return Unicode.Scalar(scalar).map(ScalarTable.compute) ?? []
  }

  /// The scalar's lower-case form if that is one scalar, and ' for ’; else the scalar itself.
  @inline(__always)
  func folded(_ scalar: UInt32) -> UInt32 {
    if scalar < UInt32(ScalarTable.size) { return UInt32(folds[Int(scalar)]) }
    return Unicode.Scalar(scalar).map { ScalarTable.fold($0).value } ?? scalar
  }

  private static let endMarks: Set<UInt32> = [
    0x2e, 0x21, 0x3f,  // . ! ?
    0x2026, 0x203c, 0x203d, 0x2047, 0x2048, 0x2049,  // … ‼ ‽ ⁇ ⁈ ⁉
    0x061f, 0x06d4, 0x0964, 0x0965, 0x0589, 0x1362,  // Arabic, Devanagari, Armenian, Ethiopic
    0x3002, 0xff01, 0xff1f, 0xff0e, 0xff61,  // CJK
  ]
  private static let fullStops: Set<UInt32> = [0x3002, 0xff01, 0xff1f, 0xff61]
  private static let asciiClosing: Set<UInt32> = [0x22, 0x27, 0x29, 0x5d, 0x7d]

  private static func compute(_ scalar: Unicode.Scalar) -> ScalarClass {
    var kind = ScalarClass()
    if endMarks.contains(scalar.value) { kind.insert(.endMark) }
    if fullStops.contains(scalar.value) { kind.insert(.fullStop) }
    if asciiClosing.contains(scalar.value) { kind.insert(.closing) }
    let properties = scalar.properties
    if properties.isWhitespace { kind.insert(.whitespace) }
    switch properties.generalCategory {
    case .uppercaseLetter, .titlecaseLetter:
      kind.formUnion([.letter])
      if fold(scalar) != scalar { kind.insert(.folds) }
    case .lowercaseLetter: kind.formUnion([.letter, .lowercase])
    case .modifierLetter, .otherLetter, .nonspacingMark, .spacingMark, .enclosingMark:
      kind.insert(.letter)
    case .decimalNumber, .letterNumber, .otherNumber: kind.insert(.number)
    case .finalPunctuation, .closePunctuation: kind.insert(.closing)
    default: break
    }
    if scalar == "\u{2019}" { kind.insert(.folds) }
    return kind
  }

  private static func fold(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    if scalar == "\u{2019}" { return "'" }
    let lower = scalar.properties.lowercaseMapping.unicodeScalars
    guard let first = lower.first, lower.count == 1 else { return scalar }
    return first
  }
}
