// SPDX-License-Identifier: Apache-2.0

/// MediaWiki's markup to plain text: a small cleaning in linear time, not a parser.
///
/// - Dropped with what they hold: comments, `{{templates}}`, `{|tables|}`, references, galleries, formulas,
///   links to files and categories and to other languages, `__SWITCHES__`.
/// - Replaced by their text: links (`[[a|b]]` gives b), external links, other tags, emphasis, headings,
///   list items, the entities of XML and `&nbsp;`, `&ndash;`, `&mdash;`.
/// - Brackets without a partner are dropped; more than two line ends in a row become two.
enum WikiText {
  private static let emptied: Set<String> = [
    "ref", "gallery", "math", "chem", "timeline", "score", "imagemap", "templatestyles", "graph",
    "syntaxhighlight", "source", "references", "hiero", "mapframe", "maplink",
  ]
  /// Prefixes of links to files and categories, in the languages with the largest dumps.
  private static let droppedPrefixes: Set<String> = [
    "file", "image", "media", "category", "datei", "bild", "kategorie", "fichier", "catégorie",
    "archivo", "imagen", "categoría", "immagine", "categoria", "ficheiro", "imagem", "bestand",
    "afbeelding", "categorie", "plik", "grafika", "kategoria", "файл", "изображение", "категория",
    "картинка", "kategori", "fil", "tập tin", "thể loại", "ファイル", "画像", "カテゴリ", "分类", "文件",
  ]

  static func plain(_ markup: [UInt8]) -> [UInt8] {
    let bare = withoutTags(markup)
    let partner = partners(bare)
    var output: [UInt8] = []
    output.reserveCapacity(bare.count)
    emit(bare, 0..<bare.count, partner, depth: 0, into: &output)
    return lines(withoutEntities(output))
  }

  // MARK: Tags

  private static func withoutTags(_ text: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    var index = 0
    /// Where the search for a closing tag of a kind found nothing: it is not made again.
    var missing: Set<String> = []
    while index < text.count {
      guard text[index] == UInt8(ascii: "<") else {
        output.append(text[index])
        index += 1
        continue
      }
      if text[index...].starts(with: Array("<!--".utf8)) {
        index = missing.contains("-->") ? text.count
          : end(of: "-->", in: text, from: index + 4) ?? text.count
        continue
      }
      guard let tag = tag(text, at: index) else {
        output.append(text[index])
        index += 1
        continue
      }
      index = tag.end
      if tag.name == "br" { output.append(0x0a) }
      if tag.isOpening, !tag.isEmpty, emptied.contains(tag.name), !missing.contains(tag.name) {
        if let close = end(of: "</\(tag.name)", in: text, from: index),
          let bracket = text[close...].firstIndex(of: UInt8(ascii: ">"))
        {
          index = bracket + 1
        } else {
          missing.insert(tag.name)
        }
      }
    }
    return output
  }

  /// A tag at `start`, if what stands there is one; tags are at most 2,000 bytes long.
  private static func tag(
    _ text: [UInt8], at start: Int
  ) -> (name: String, isOpening: Bool, isEmpty: Bool, end: Int)? {
    var index = start + 1
    let isOpening = index < text.count && text[index] != UInt8(ascii: "/")
    if !isOpening { index += 1 }
    var name: [UInt8] = []
    while index < text.count, isLetter(text[index]) || (0x31...0x36).contains(text[index]) {
      name.append(text[index] < 0x60 && text[index] >= 0x41 ? text[index] | 0x20 : text[index])
      index += 1
      if name.count > 20 { return nil }
    }
    guard let first = name.first, isLetter(first), index < text.count else { return nil }
    let limit = min(text.count, start + 2000)
    guard let bracket = text[index..<max(index, limit)].firstIndex(of: UInt8(ascii: ">")) else {
      return nil
    }
    return (
      String(decoding: name, as: UTF8.self), isOpening,
      text[bracket - 1] == UInt8(ascii: "/"), bracket + 1
    )
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
  }

  /// Offset behind the next occurrence of `word`, whose letters are in lower case.
  private static func end(of word: String, in text: [UInt8], from start: Int) -> Int? {
    let wanted = Array(word.utf8)
    var index = start
    while index + wanted.count <= text.count {
      if text[index] == wanted[0] {
        var length = 1
        while length < wanted.count, text[index + length] == wanted[length]
          || (isLetter(wanted[length]) && text[index + length] | 0x20 == wanted[length])
        { length += 1 }
        if length == wanted.count { return index + length }
      }
      index += 1
    }
    return nil
  }

  // MARK: Brackets

  private enum Bracket: Int { case template, table, link }

  /// For each opening bracket the offset of its closing one; -1 elsewhere.
  private static func partners(_ text: [UInt8]) -> [Int: Int] {
    var result: [Int: Int] = [:]
    var open: [(kind: Bracket, at: Int)] = []
    var counts = [0, 0, 0]
    var index = 0
    while index + 1 < text.count {
      let pair = (text[index], text[index + 1])
      var opening: Bracket?
      var closing: Bracket?
      switch pair {
      case (UInt8(ascii: "{"), UInt8(ascii: "{")): opening = .template
      case (UInt8(ascii: "{"), UInt8(ascii: "|")): opening = .table
      case (UInt8(ascii: "["), UInt8(ascii: "[")): opening = .link
      case (UInt8(ascii: "}"), UInt8(ascii: "}")): closing = .template
      case (UInt8(ascii: "|"), UInt8(ascii: "}")):
        // `|}}` ends a template whose last argument is empty.
        let endsTemplate = index + 2 < text.count && text[index + 2] == UInt8(ascii: "}")
          && open.last?.kind == .template
        if !endsTemplate { closing = .table }
      case (UInt8(ascii: "]"), UInt8(ascii: "]")): closing = .link
      default: break
      }
      if let opening {
        open.append((opening, index))
        counts[opening.rawValue] += 1
        index += 2
      } else if let closing {
        while counts[closing.rawValue] > 0, let last = open.popLast() {
          counts[last.kind.rawValue] -= 1
          if last.kind == closing {
            result[last.at] = index
            break
          }
        }
        index += 2
      } else {
        index += 1
      }
    }
    return result
  }

  private static func emit(
    _ text: [UInt8], _ range: Range<Int>, _ partner: [Int: Int], depth: Int,
    into output: inout [UInt8]
  ) {
    var index = range.lowerBound
    while index < range.upperBound {
      let byte = text[index]
      let next = index + 1 < range.upperBound ? text[index + 1] : 0
      switch (byte, next) {
      case (UInt8(ascii: "{"), UInt8(ascii: "{")), (UInt8(ascii: "{"), UInt8(ascii: "|")):
        index = partner[index].map { $0 + 2 } ?? index + 2
      case (UInt8(ascii: "["), UInt8(ascii: "[")):
        guard let end = partner[index], end <= range.upperBound else {
          index += 2
          continue
        }
        link(text, index + 2..<end, partner, depth: depth, into: &output)
        index = end + 2
      case (UInt8(ascii: "}"), UInt8(ascii: "}")), (UInt8(ascii: "]"), UInt8(ascii: "]")),
        (UInt8(ascii: "|"), UInt8(ascii: "}")):
        index += 2
      case (UInt8(ascii: "["), _): index = external(text, index, range.upperBound, into: &output)
      case (UInt8(ascii: "'"), UInt8(ascii: "'")):
        while index < range.upperBound, text[index] == UInt8(ascii: "'") { index += 1 }
      default:
        output.append(byte)
        index += 1
      }
    }
  }

  private static func link(
    _ text: [UInt8], _ range: Range<Int>, _ partner: [Int: Int], depth: Int,
    into output: inout [UInt8]
  ) {
    let target = text[range].prefix { $0 != UInt8(ascii: "|") && $0 != UInt8(ascii: "[") }
    if let colon = target.firstIndex(of: UInt8(ascii: ":")), colon > target.startIndex {
      let prefix = String(decoding: target[..<colon], as: UTF8.self).lowercased()
      if droppedPrefixes.contains(prefix) { return }
      // Links to other languages: [[de:…]], without a text of their own.
      let isCode = (2...12).contains(prefix.utf8.count) && prefix == String(decoding: target[..<colon], as: UTF8.self)
        && prefix.utf8.allSatisfy { isLetter($0) || $0 == UInt8(ascii: "-") }
      if isCode && target.endIndex == range.upperBound && (prefix.utf8.count <= 3 || prefix.contains("-")) {
        return
      }
    }
    if depth >= 50 { return }
    var start = range.lowerBound
    if target.endIndex < range.upperBound, text[target.endIndex] == UInt8(ascii: "|") {
      start = target.endIndex + 1
    } else if target.first == UInt8(ascii: ":") {
      start += 1
    }
    emit(text, start..<range.upperBound, partner, depth: depth + 1, into: &output)
  }

  /// `[http://… text]`; other brackets stand for themselves. Returns where to go on.
  private static func external(
    _ text: [UInt8], _ start: Int, _ limit: Int, into output: inout [UInt8]
  ) -> Int {
    let schemes = ["http://", "https://", "//", "ftp://", "mailto:"]
    let content = text[start + 1..<limit]
    guard schemes.contains(where: { content.starts(with: Array($0.utf8)) }),
      let end = content.prefix(4000).firstIndex(where: { $0 == UInt8(ascii: "]") || $0 == 0x0a }),
      text[end] == UInt8(ascii: "]")
    else {
      output.append(text[start])
      return start + 1
    }
    if let space = text[start..<end].firstIndex(of: 0x20) {
      output += text[space + 1..<end].filter { $0 != UInt8(ascii: "'") }
    }
    return end + 1
  }

  // MARK: Lines

  private static let entities: [(name: String, text: String)] = [
    ("&nbsp;", " "), ("&ndash;", "–"), ("&mdash;", "—"), ("&lt;", "<"), ("&gt;", ">"),
    ("&quot;", "\""), ("&amp;", "&"), ("&thinsp;", " "), ("&minus;", "−"), ("&hellip;", "…"),
  ]

  private static func withoutEntities(_ text: [UInt8]) -> [UInt8] {
    let known = entities.map { (Array($0.name.utf8), Array($0.text.utf8)) }
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      if text[index] == UInt8(ascii: "&"),
        let found = known.first(where: { text[index...].starts(with: $0.0) })
      {
        output += found.1
        index += found.0.count
      } else {
        output.append(text[index])
        index += 1
      }
    }
    return output
  }

  private static func lines(_ text: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    var breaks = 0
    for raw in text.split(separator: 0x0a, omittingEmptySubsequences: false) {
      var line = raw
      while let first = line.first, " \t\r*#:;".utf8.contains(first) { line = line.dropFirst() }
      while let last = line.last, last == 0x20 || last == 0x09 || last == 0x0d {
        line = line.dropLast()
      }
      let marks = min(
        line.prefix { $0 == UInt8(ascii: "=") }.count,
        line.reversed().prefix { $0 == UInt8(ascii: "=") }.count)
      if marks > 0, line.count > 2 * marks {
        line = line.dropFirst(marks).dropLast(marks)
        while line.first == 0x20 { line = line.dropFirst() }
        while line.last == 0x20 { line = line.dropLast() }
      }
      if line.starts(with: Array("__".utf8)), line.suffix(2).elementsEqual(Array("__".utf8)) {
        continue
      }
      if line.isEmpty {
        breaks = min(2, breaks + 1)
        continue
      }
      if !output.isEmpty { output += [UInt8](repeating: 0x0a, count: max(1, breaks)) }
      output += line
      breaks = 1
    }
    return output
  }
}
