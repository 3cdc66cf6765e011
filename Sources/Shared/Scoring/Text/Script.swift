// SPDX-License-Identifier: Apache-2.0

/// The Unicode scripts by which languages are told, by their main blocks.
enum Script: Int, CaseIterable {
  case latin, cyrillic, arabic, han, kana, hangul, greek, hebrew, thai, georgian, armenian
  case devanagari, bengali, gurmukhi, gujarati, tamil, telugu, kannada, malayalam, sinhala
  case lao, tibetan, burmese, ethiopic, khmer, other

  /// The script of a letter.
  @inline(__always)
  static func of(_ scalar: UInt32) -> Script {
    if scalar < 0x250 { return .latin }
    for block in blocks where block.range.contains(scalar) { return block.script }
    return .other
  }

  /// The language that is nearly all that is written in it; nil where there are several, or none is known.
  var language: String? {
    switch self {
    case .hangul: "ko"
    case .greek: "el"
    case .hebrew: "he"
    case .thai: "th"
    case .georgian: "ka"
    case .armenian: "hy"
    case .devanagari: "hi"
    case .bengali: "bn"
    case .gurmukhi: "pa"
    case .gujarati: "gu"
    case .tamil: "ta"
    case .telugu: "te"
    case .kannada: "kn"
    case .malayalam: "ml"
    case .sinhala: "si"
    case .lao: "lo"
    case .tibetan: "bo"
    case .burmese: "my"
    case .ethiopic: "am"
    case .khmer: "km"
    case .latin, .cyrillic, .arabic, .han, .kana, .other: nil
    }
  }

  private static let blocks: [(range: ClosedRange<UInt32>, script: Script)] = [
    (0x0400...0x052f, .cyrillic), (0x0600...0x077f, .arabic), (0x4e00...0x9fff, .han),
    (0x3040...0x30ff, .kana), (0xac00...0xd7a3, .hangul), (0x1e00...0x1eff, .latin),
    (0x0370...0x03ff, .greek), (0x1f00...0x1fff, .greek), (0x0590...0x05ff, .hebrew),
    (0x0e00...0x0e7f, .thai), (0x0900...0x097f, .devanagari), (0x0980...0x09ff, .bengali),
    (0x0a00...0x0a7f, .gurmukhi), (0x0a80...0x0aff, .gujarati), (0x0b80...0x0bff, .tamil),
    (0x0c00...0x0c7f, .telugu), (0x0c80...0x0cff, .kannada), (0x0d00...0x0d7f, .malayalam),
    (0x0d80...0x0dff, .sinhala), (0x0e80...0x0eff, .lao), (0x0f00...0x0fff, .tibetan),
    (0x1000...0x109f, .burmese), (0x10a0...0x10ff, .georgian), (0x0530...0x058f, .armenian),
    (0x1200...0x139f, .ethiopic), (0x1780...0x17ff, .khmer), (0x1100...0x11ff, .hangul),
    (0x3130...0x318f, .hangul), (0xfb50...0xfdff, .arabic), (0xfe70...0xfeff, .arabic),
    (0x3400...0x4dbf, .han), (0xf900...0xfaff, .han), (0x20000...0x3ffff, .han),
    (0xff66...0xff9d, .kana), (0x2c60...0x2c7f, .latin), (0xa720...0xa7ff, .latin),
  ]
}
