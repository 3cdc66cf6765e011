// SPDX-License-Identifier: Apache-2.0

/// How lines begin and end.
enum LineMarks {
  /// • ‣ ◦ ⁃ ▪ ▸ ● ○ ■ □ – — · - * +
  private static let bullets: Set<UInt32> = [
    0x2022, 0x2023, 0x25e6, 0x2043, 0x25aa, 0x25b8, 0x25cf, 0x25cb, 0x25a0, 0x25a1, 0x2013, 0x2014,
    0xb7, 0x2d, 0x2a, 0x2b,
  ]

  /// Lines that begin with a bullet; lines that end in … or `...`.
  static func count(_ text: borrowing TextAnalysis) -> (bullets: Int, ellipses: Int) {
    let lines = text.lineList.map { text.byteRange($0) }
    return text.withBytes { bytes in
      var found = (bullets: 0, ellipses: 0)
      for line in lines {
        var index = line.lowerBound
        if bullets.contains(UTF8Scalars.next(bytes, &index)) { found.bullets += 1 }
        let end = line.upperBound
        if line.count >= 3, bytes[end - 3] == 0xe2, bytes[end - 2] == 0x80, bytes[end - 1] == 0xa6 {
          found.ellipses += 1
        } else if line.count >= 3, bytes[end - 3] == 0x2e, bytes[end - 2] == 0x2e, bytes[end - 1] == 0x2e {
          found.ellipses += 1
        }
      }
      return found
    }
  }
}

/// Share of the lines that begin with a bullet. Source: Gopher (Rae et al. 2021, table A1), limit .9.
struct BulletLines: Signal {
  let name = "bullet_lines"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.gopher, .lines]
  let summary = "share of the lines that begin with a bullet"

  func value(of text: borrowing TextAnalysis) -> Double? {
    text.lines == 0 ? nil : Double(LineMarks.count(text).bullets) / Double(text.lines)
  }
}

/// Share of the lines that end in … or `...`. Source: Gopher (Rae et al. 2021, table A1), limit .3.
struct EllipsisLines: Signal {
  let name = "ellipsis_lines"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.gopher, .lines]
  let summary = "share of the lines that end in an ellipsis"

  func value(of text: borrowing TextAnalysis) -> Double? {
    text.lines == 0 ? nil : Double(LineMarks.count(text).ellipses) / Double(text.lines)
  }
}

/// Line feeds for each word. Source: FineWeb (Penedo et al. 2024), limit .3.
struct LineBreaksPerWord: Signal {
  let name = "line_breaks_per_word"
  let version = 1
  let range = 0.0...Double.greatestFiniteMagnitude
  let families: [SignalFamily] = [.fineweb, .lines]
  let summary = "line feeds for each word"

  func value(of text: borrowing TextAnalysis) -> Double? {
    text.words.isEmpty ? nil : Double(text.lineBreaks) / Double(text.words.count)
  }
}
