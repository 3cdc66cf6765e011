// SPDX-License-Identifier: Apache-2.0

/// The text of one dictionary entry as prose.
///
/// An entry starts with its headwords, one a line from the first column, then the article, indented and
/// filled to the width of a terminal. A paragraph may start with a tag such as `<language, humour>`, after
/// a number or a pronunciation. Here the headwords and tags are cut off, lines of a paragraph are joined
/// (lines that are indented further stay lines of their own), braces around cross-references go, and the
/// date of the last revision, which says nothing of the headword, is taken from the end.
struct DictdArticle {
  /// The first headword.
  let title: String
  /// The first subject of the first tag.
  let category: String?
  /// Last revision, as 2014-10-25.
  let date: String?
  let body: String

  init(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map {
      DictdArticle.trimmingEnd($0)
    }
    let start = lines.firstIndex { $0.isEmpty || DictdArticle.indent($0) > 0 } ?? lines.count
    title = start > 0 ? String(lines[0]) : ""
    let rest = lines[start...]
    let base = rest.filter { !$0.isEmpty }.map(DictdArticle.indent).filter { $0 > 0 }.min() ?? 0
    var paragraphs: [String] = []
    var category: String?
    for paragraph in rest.split(whereSeparator: \.isEmpty) {
      var text = DictdArticle.filled(Array(paragraph), base: base)
      if paragraphs.isEmpty { text = DictdArticle.withoutPronunciation(text) }
      let tag = DictdArticle.removeTag(&text)
      if category == nil { category = tag }
      text = DictdArticle.withoutBraces(text)
      if !text.isEmpty { paragraphs.append(text) }
    }
    self.category = category
    var body = paragraphs.joined(separator: "\n\n")
    date = DictdArticle.removeDate(&body)
    self.body = body
  }

  private static func indent(_ line: Substring) -> Int {
    line.prefix { $0 == " " || $0 == "\t" }.count
  }

  private static func trimmingEnd(_ line: Substring) -> Substring {
    var line = line
    while let last = line.last, last.isWhitespace { line.removeLast() }
    return line
  }

  /// Joins the lines of a paragraph; runs of blanks in them become one.
  private static func filled(_ lines: [Substring], base: Int) -> String {
    var result = ""
    var joins = false
    for line in lines {
      let indent = DictdArticle.indent(line)
      let isProse = indent <= base
      if !result.isEmpty { result += joins && isProse ? " " : "\n" }
      if isProse {
        result += line.split { $0 == " " || $0 == "\t" }.joined(separator: " ")
      } else {
        result += line.dropFirst(base)
      }
      joins = isProse
    }
    return result
  }

  /// Cuts off `/…/` at the start.
  private static func withoutPronunciation(_ text: String) -> String {
    guard text.hasPrefix("/"), let end = text.dropFirst().firstIndex(of: "/") else { return text }
    let inside = text[text.index(after: text.startIndex)..<end]
    let rest = text[text.index(after: end)...]
    guard !inside.isEmpty, inside.count <= 40, rest.isEmpty || rest.first == " " else { return text }
    return String(rest.drop { $0 == " " })
  }

  /// Removes a tag at the start of the text, or after its number.
  ///
  /// - Returns: the first subject of the tag, or nil if there is none.
  private static func removeTag(_ text: inout String) -> String? {
    var head = text.prefix { $0.isNumber }
    if !head.isEmpty {
      let rest = text[head.endIndex...]
      guard rest.hasPrefix(". ") else { return nil }
      head = text[..<text.index(head.endIndex, offsetBy: 2)]
    }
    let rest = text[head.endIndex...]
    guard rest.first == "<", let end = rest.firstIndex(of: ">") else { return nil }
    let inside = rest[rest.index(after: rest.startIndex)..<end]
    guard let first = inside.first, first.isLetter,
      inside.allSatisfy({ $0.isLetter || $0.isNumber || " ,-'.&".contains($0) || $0 == "\n" })
    else { return nil }
    let tail = rest[rest.index(after: end)...].drop { $0 == " " }
    let subject = inside.split(separator: ",")[0]
    text = String(head) + tail
    return subject.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
  }

  /// Removes `(2014-10-25)` at the end of the text.
  private static func removeDate(_ text: inout String) -> String? {
    let tail = Array(text.utf8.suffix(12))
    let pattern = Array("(0000-00-00)".utf8)
    guard tail.count == pattern.count,
      zip(tail, pattern).allSatisfy({ byte, wanted in
        wanted == 0x30 ? (0x30...0x39).contains(byte) : byte == wanted
      })
    else { return nil }
    text.removeLast(12)
    while let last = text.last, last.isWhitespace { text.removeLast() }
    return String(decoding: tail[1..<11], as: UTF8.self)
  }

  /// `{X}` becomes X; braces that hold others or start with a blank are code and stay.
  private static func withoutBraces(_ text: String) -> String {
    var result = ""
    var rest = text[...]
    while let open = rest.firstIndex(of: "{") {
      result += rest[..<open]
      let inside = rest[rest.index(after: open)...]
      guard let stop = inside.firstIndex(where: { $0 == "}" || $0 == "{" }), inside[stop] == "}",
        let first = inside.first, !first.isWhitespace, first != "}"
      else {
        result += "{"
        rest = inside
        continue
      }
      result += inside[..<stop]
      rest = inside[inside.index(after: stop)...]
    }
    return result + rest
  }
}
