// SPDX-License-Identifier: Apache-2.0
internal import CXML2

/// One HTML document in libxml2's tree. What is put in as text comes out as text, whatever it holds:
/// only libxml2's serialiser writes markup.
package final class HTMLDocument {
  private let document: htmlDocPtr?
  /// The `html` element.
  package private(set) var root: HTMLElement
  /// Set when libxml2 could not allocate a node.
  fileprivate var isIncomplete = false

  package init() {
    document = htmlNewDocNoDtD(nil, nil)
    let node = xmlNewDocNode(document, nil, "html", nil)
    if let document { xmlDocSetRootElement(document, node) }
    xmlCreateIntSubset(document, "html", nil, nil)
    root = HTMLElement(node: nil, document: nil)
    isIncomplete = document == nil || node == nil
    root = HTMLElement(node: node.map(UnsafeMutableRawPointer.init), document: self)
  }

  deinit { xmlFreeDoc(document) }

  /// The document as UTF-8.
  ///
  /// - Throws: ``ReportError/documentNotBuilt``.
  package func serialised() throws(ReportError) -> [UInt8] {
    guard !isIncomplete, let buffer = xmlAllocOutputBuffer(nil) else { throw .documentNotBuilt }
    defer { xmlOutputBufferClose(buffer) }
    htmlDocContentDumpFormatOutput(buffer, document, "UTF-8", 0)
    guard buffer.pointee.error == 0, let bytes = xmlOutputBufferGetContent(buffer) else {
      throw .documentNotBuilt
    }
    return Array(UnsafeBufferPointer(start: bytes, count: xmlOutputBufferGetSize(buffer)))
  }
}

/// A place in an ``HTMLDocument`` where more can be put. Names of elements and attributes are
/// literals of this program; data can only become text.
package struct HTMLElement {
  /// An `xmlNode`; untyped, so that libxml2 stays inside this file.
  private let node: UnsafeMutableRawPointer?
  private unowned(unsafe) let document: HTMLDocument?

  fileprivate init(node: UnsafeMutableRawPointer?, document: HTMLDocument?) {
    self.node = node
    self.document = document
  }

  /// Appends an element and returns it.
  @discardableResult
  package func add(
    _ name: StaticString, _ attributes: [HTMLAttribute] = [], text: String? = nil
  ) -> HTMLElement {
    let child = name.withUTF8Buffer { xmlNewDocNode(owner, nil, $0.baseAddress, nil) }
    guard let child, let parent else {
      document?.isIncomplete = true
      return HTMLElement(node: nil, document: document)
    }
    xmlAddChild(parent, child)
    for attribute in attributes {
      let added = attribute.name.withUTF8Buffer {
        xmlNewProp(child, $0.baseAddress, attribute.value)
      }
      if added == nil { document?.isIncomplete = true }
    }
    let element = HTMLElement(node: child, document: document)
    if let text { element.text(text) }
    return element
  }

  /// Appends text; hidden characters are shown by their code.
  package func text(_ text: String) { raw(PrintableText.visible(text)) }

  /// Ends a line of the source, so that it can be read and compared.
  package func newline() { raw("\n") }

  /// Appends the rules of a style sheet, which are not escaped: only for our own.
  package func rules(_ text: StaticString) { raw("\(text)") }

  private func raw(_ text: String) {
    guard let parent, let child = xmlNewDocText(owner, text) else {
      document?.isIncomplete = true
      return
    }
    xmlAddChild(parent, child)
  }

  private var parent: xmlNodePtr? { node?.assumingMemoryBound(to: xmlNode.self) }
  private var owner: xmlDocPtr? { parent?.pointee.doc }
}

/// An attribute: literals and numbers only, so that data never stands inside a tag.
package struct HTMLAttribute {
  let name: StaticString
  let value: String

  private init(_ name: StaticString, raw value: String) {
    self.name = name
    self.value = value
  }

  /// An attribute with a fixed value.
  package init(_ name: StaticString, _ value: StaticString) { self.init(name, raw: "\(value)") }

  /// A number: coordinates, sizes, spans.
  package init(_ name: StaticString, _ value: Double) {
    self.init(name, raw: NumberText.coordinate(value))
  }

  /// Numbers in a row, such as a view box.
  package init(_ name: StaticString, _ values: [Double]) {
    self.init(name, raw: values.map(NumberText.coordinate).joined(separator: " "))
  }

  package static func `class`(_ name: StaticString) -> HTMLAttribute { .init("class", name) }

  /// Class `prefix` with a number after it.
  static func `class`(_ prefix: StaticString, _ number: Int) -> HTMLAttribute {
    .init("class", raw: "\(prefix)\(number)")
  }

  static func label(_ text: StaticString) -> HTMLAttribute { .init("aria-label", text) }

  static func id(_ anchor: Anchor) -> HTMLAttribute { .init("id", raw: anchor.name) }
  static func link(to anchor: Anchor) -> HTMLAttribute { .init("href", raw: "#" + anchor.name) }
  static func path(_ path: SVGPath) -> HTMLAttribute { .init("d", raw: path.commands) }
  /// A transformation, made of numbers only.
  static func slanted(at x: Double, _ y: Double) -> HTMLAttribute {
    let place = "\(NumberText.coordinate(x)) \(NumberText.coordinate(y))"
    return .init("transform", raw: "translate(\(place)) rotate(-48)")
  }
  /// The policy of ``Stylesheet``.
  static func contentSecurityPolicy() -> HTMLAttribute {
    .init("content", raw: Stylesheet.contentSecurityPolicy)
  }
}

/// A place in the document that can be linked to: run number and section.
struct Anchor {
  let name: String

  init(run: Int, section: StaticString) { name = "run\(run)-\(section)" }
  init(_ name: StaticString) { self.name = "\(name)" }
}

/// The commands of an SVG path, made of numbers only.
struct SVGPath {
  private(set) var commands = ""

  mutating func move(_ x: Double, _ y: Double) { append("M", x, y) }
  mutating func line(_ x: Double, _ y: Double) { append("L", x, y) }
  mutating func close() { commands += "Z" }

  private mutating func append(_ letter: String, _ x: Double, _ y: Double) {
    commands += "\(letter)\(NumberText.coordinate(x)) \(NumberText.coordinate(y))"
  }
}
