// SPDX-License-Identifier: Apache-2.0
internal import CXML2
internal import Records
internal import Streams

/// One page a file: `{"text":…,"title":…,"source":PATH}`. See ``HTMLText`` for what is its text.
final class HTMLReader: RecordSource {
  private let input: InputSource
  private var isRead = false
  private let output = LineBuffer()
  private static let limit = LineReader.defaultLimit

  init(_ input: InputSource) { self.input = input }

  func next() throws -> RecordLine? {
    if isRead { return nil }
    isRead = true
    let location = RecordLocation(file: input.name, line: 1)
    let bytes: [UInt8]
    do throws(StreamError) { bytes = try input.readAll(limit: Self.limit) } catch {
      if case .tooLarge = error { throw CorpusError.recordTooLong(location, limit: Self.limit) }
      throw error
    }
    let page = try HTMLText(bytes, at: location)
    if page.text.isEmpty { return nil }
    return RecordLine(
      location: location,
      bytes: output.object { writer in
        writer.field("text", page.text)
        writer.field("title", ifPresent: page.title)
        writer.field("source", input.name)
      })
  }
}

/// The main text of a page, as libxml2's HTML parser reads it.
///
/// The text is that of the element with the role `main`, else of `<main>`, else of the only `<article>`,
/// else of `<body>`; without navigation, headers and footers, forms, scripts, and links of the class
/// `headerlink`. Paragraphs are separated by a blank line, other blocks by a line end, cells by a tab;
/// white space is collapsed except within `<pre>`.
struct HTMLText {
  private(set) var text = ""
  private(set) var title: String?

  /// - Throws: ``CorpusError/notUTF8(_:offset:)`` for bytes that are no UTF-8 and of no other declared
  ///   encoding.
  init(_ bytes: [UInt8], at location: RecordLocation) throws(CorpusError) {
    var encoding: String? = "UTF-8"
    if String(validating: bytes, as: UTF8.self) == nil {
      guard HTMLText.declaresEncoding(bytes) else {
        _ = try UTF8Text.decode(bytes[...], at: location)
        return
      }
      encoding = nil
    }
    let options = Int32(
      HTML_PARSE_RECOVER.rawValue | HTML_PARSE_NOERROR.rawValue | HTML_PARSE_NOWARNING.rawValue
        | HTML_PARSE_NONET.rawValue)
    let document = bytes.withUnsafeBytes { buffer in
      htmlReadMemory(
        buffer.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(clamping: buffer.count), nil,
        encoding, options)
    }
    guard let document else { return }
    defer { xmlFreeDoc(document) }
    guard let root = xmlDocGetRootElement(document) else { return }
    title = HTMLText.title(root)
    var builder = TextBuilder()
    HTMLText.walk(HTMLText.main(root)) { builder.enter($0) } leave: { builder.leave($0) }
    text = builder.finished()
  }

  private static func declaresEncoding(_ bytes: [UInt8]) -> Bool {
    let head = bytes.prefix(1024).map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
    let wanted = Array("charset=".utf8)
    return head.count > wanted.count
      && (0...head.count - wanted.count).contains { head[$0...].starts(with: wanted) }
  }

  private static func title(_ root: xmlNodePtr) -> String? {
    var result: String?
    walk(root) { node in
      if result == nil, name(node) == "title", let content = xmlNodeGetContent(node) {
        let words = String(cString: content).split { $0.isWhitespace }
        cl_xml_free(content)
        if !words.isEmpty { result = words.joined(separator: " ") }
      }
      return result == nil
    } leave: { _ in }
    return result
  }

  /// The element whose text is the page's.
  private static func main(_ root: xmlNodePtr) -> xmlNodePtr {
    var role: xmlNodePtr?
    var main: xmlNodePtr?
    var articles: [xmlNodePtr] = []
    var body: xmlNodePtr?
    walk(root) { node in
      if role == nil, attribute(node, "role") == "main" { role = node }
      switch name(node) {
      case "main": if main == nil { main = node }
      case "article": articles.append(node)
      case "body": if body == nil { body = node }
      default: break
      }
      return role == nil
    } leave: { _ in }
    return role ?? main ?? (articles.count == 1 ? articles[0] : nil) ?? body ?? root
  }

  static func name(_ node: xmlNodePtr) -> String {
    guard node.pointee.type == XML_ELEMENT_NODE, let name = node.pointee.name else { return "" }
    return String(cString: name)
  }

  static func attribute(_ node: xmlNodePtr, _ key: String) -> String? {
    guard node.pointee.type == XML_ELEMENT_NODE, let value = xmlGetProp(node, key) else {
      return nil
    }
    defer { cl_xml_free(value) }
    return String(cString: value)
  }

  /// Visits `top` and what is below it, without recursion: pages may nest as deep as they like.
  ///
  /// - Parameter enter: false to pass over what is below the node; `leave` is then not called.
  private static func walk(
    _ top: xmlNodePtr, enter: (xmlNodePtr) -> Bool, leave: (xmlNodePtr) -> Void
  ) {
    var node = top
    while true {
      if enter(node) {
        if node.pointee.type == XML_ELEMENT_NODE, let child = node.pointee.children {
          node = child
          continue
        }
        leave(node)
      }
      while true {
        if node == top { return }
        if let next = node.pointee.next {
          node = next
          break
        }
        guard let parent = node.pointee.parent else { return }
        node = parent
        leave(node)
        if node == top { return }
      }
    }
  }
}

/// Puts the text of elements together.
private struct TextBuilder {
  private var bytes: [UInt8] = []
  /// Line ends to write before the next text.
  private var pendingBreaks = 0
  private var pendingSpace = false
  private var preformatted = 0

  private static let dropped: Set<String> = [
    "script", "style", "noscript", "template", "head", "nav", "header", "footer", "aside", "form",
    "button", "select", "textarea", "iframe", "svg", "object", "canvas", "dialog",
  ]
  private static let droppedRoles: Set<String> = [
    "navigation", "search", "banner", "contentinfo", "complementary", "dialog", "menu", "menubar",
  ]
  private static let paragraphs: Set<String> = [
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "ul", "ol", "dl", "table",
    "figure", "section", "article", "hr",
  ]
  private static let lines: Set<String> = [
    "div", "li", "dt", "dd", "tr", "br", "main", "address", "caption", "figcaption", "details",
    "summary", "option", "center",
  ]

  mutating func enter(_ node: xmlNodePtr) -> Bool {
    switch node.pointee.type {
    case XML_TEXT_NODE, XML_CDATA_SECTION_NODE:
      if let content = node.pointee.content { add(content) }
      return true
    case XML_ELEMENT_NODE: break
    default: return false
    }
    let name = HTMLText.name(node)
    if Self.dropped.contains(name) { return false }
    if let role = HTMLText.attribute(node, "role"), Self.droppedRoles.contains(role) {
      return false
    }
    if HTMLText.attribute(node, "hidden") != nil { return false }
    if name == "a", HTMLText.attribute(node, "class") == "headerlink" { return false }
    separate(name)
    if name == "pre" { preformatted += 1 }
    return true
  }

  mutating func leave(_ node: xmlNodePtr) {
    let name = HTMLText.name(node)
    if name == "pre" { preformatted -= 1 }
    if name == "td" || name == "th" {
      if pendingBreaks == 0, !bytes.isEmpty, bytes.last != 0x09 { bytes.append(0x09) }
      pendingSpace = false
    }
    if name != "br" { separate(name) }
  }

  private mutating func separate(_ name: String) {
    if Self.paragraphs.contains(name) { pendingBreaks = max(pendingBreaks, 2) }
    if Self.lines.contains(name) { pendingBreaks = max(pendingBreaks, 1) }
  }

  private mutating func add(_ content: UnsafePointer<xmlChar>) {
    var index = 0
    while content[index] != 0 {
      let byte = content[index]
      // A no-break space (C2 A0) is a space.
      let isNoBreak = byte == 0xc2 && content[index + 1] == 0xa0
      let isSpace = byte == 0x20 || (0x09...0x0d).contains(byte) || isNoBreak
      index += isNoBreak ? 2 : 1
      if preformatted > 0 && isSpace && !isNoBreak {
        if byte == 0x0d { continue }
        if pendingBreaks > 0 && byte == 0x0a { continue }
        flush()
        bytes.append(byte)
      } else if isSpace {
        pendingSpace = true
      } else {
        flush()
        bytes.append(byte)
      }
    }
  }

  private mutating func flush() {
    if pendingBreaks > 0 {
      trimEnd()
      if !bytes.isEmpty { bytes += [UInt8](repeating: 0x0a, count: pendingBreaks) }
    } else if pendingSpace, let last = bytes.last, last != 0x0a, last != 0x09 {
      bytes.append(0x20)
    }
    pendingBreaks = 0
    pendingSpace = false
  }

  private mutating func trimEnd() {
    while let last = bytes.last, last == 0x20 || last == 0x09 || last == 0x0a { bytes.removeLast() }
  }

  mutating func finished() -> String {
    trimEnd()
    return String(decoding: bytes, as: UTF8.self)
  }
}
