// SPDX-License-Identifier: Apache-2.0
internal import CXML2
internal import Records
internal import Streams

/// MediaWiki's XML dumps (export-0.3 and later), read as a stream:
/// `{"text":…,"title":…,"id":…,"source":PATH}` for each article. Redirects, other namespaces than 0 and
/// pages without text are passed over; ``WikiText`` says what becomes of the markup.
final class WikipediaReader: RecordSource {
  private final class Context {
    let input: InputSource
    var failure: StreamError?
    init(_ input: InputSource) { self.input = input }
  }
  private struct Page {
    var title: [UInt8] = []
    var namespace: [UInt8] = []
    var id: [UInt8] = []
    var text: [UInt8] = []
    var isRedirect = false
    var line = 0
  }
  private enum Field { case title, namespace, id, text }

  private let context: Context
  private let reader: xmlTextReaderPtr
  private let output = LineBuffer()
  private var page: Page?
  private var field: Field?
  private static let limit = LineReader.defaultLimit

  init(_ input: InputSource) throws {
    context = Context(input)
    // No entities, no network, no document type, libxml2's own limits on sizes and depth.
    let options = XML_PARSE_NONET.rawValue | XML_PARSE_NOERROR.rawValue
      | XML_PARSE_NOWARNING.rawValue
    let reader = xmlReaderForIO(
      { opaque, buffer, count in
        guard let opaque, let buffer, count > 0 else { return -1 }
        let context = Unmanaged<Context>.fromOpaque(opaque).takeUnretainedValue()
        do throws(StreamError) {
          return Int32(
            try context.input.read(
              into: UnsafeMutableRawBufferPointer(start: buffer, count: Int(count))))
        } catch {
          context.failure = error
          return -1
        }
      }, nil, Unmanaged.passUnretained(context).toOpaque(), nil, nil, Int32(options))
    guard let reader else {
      throw CorpusError.malformedXML(
        RecordLocation(file: input.name, line: 1), problem: "libxml2 could not start")
    }
    self.reader = reader
  }

  deinit { xmlFreeTextReader(reader) }

  func next() throws -> RecordLine? {
    while true {
      let status = xmlTextReaderRead(reader)
      if let failure = context.failure { throw failure }
      if status == 0 { return nil }
      if status < 0 { throw malformed() }
      switch xmlTextReaderNodeType(reader) {
      case 1: start()
      case 3, 4, 13, 14: try append()
      case 10:
        throw CorpusError.malformedXML(location, problem: "a document type declaration")
      case 15:
        field = nil
        if isNamed("page"), xmlTextReaderDepth(reader) == 1, let page {
          self.page = nil
          if let line = try record(page) { return line }
        }
      default: break
      }
    }
  }

  private var location: RecordLocation {
    RecordLocation(
      file: context.input.name, line: max(1, Int(xmlTextReaderGetParserLineNumber(reader))))
  }

  private func isNamed(_ name: StaticString) -> Bool {
    guard let found = xmlTextReaderConstLocalName(reader) else { return false }
    for index in 0..<name.utf8CodeUnitCount where found[index] != name.utf8Start[index] {
      return false
    }
    return found[name.utf8CodeUnitCount] == 0
  }

  private func start() {
    let depth = xmlTextReaderDepth(reader)
    let isEmpty = xmlTextReaderIsEmptyElement(reader) == 1
    field = nil
    if depth == 1, isNamed("page"), !isEmpty {
      page = Page()
      page?.line = location.line
    } else if page != nil, depth == 2, isNamed("redirect") {
      page?.isRedirect = true
    } else if page != nil, !isEmpty {
      if depth == 2, isNamed("title") { field = .title }
      if depth == 2, isNamed("ns") { field = .namespace }
      if depth == 2, isNamed("id") { field = .id }
      if depth == 3, isNamed("text") {
        field = .text
        page?.text = []  // With a whole history the last revision counts.
      }
    }
  }

  private func append() throws {
    guard let field, let value = xmlTextReaderConstValue(reader) else { return }
    let bytes = UnsafeBufferPointer(start: value, count: Int(xmlStrlen(value)))
    switch field {
    case .title: page?.title += bytes
    case .namespace: page?.namespace += bytes
    case .id: page?.id += bytes
    case .text: page?.text += bytes
    }
    if let page, page.text.count + page.title.count > Self.limit {
      let location = RecordLocation(file: context.input.name, line: page.line)
      self.page = nil
      throw CorpusError.recordTooLong(location, limit: Self.limit)
    }
  }

  private func record(_ page: Page) throws -> RecordLine? {
    if page.isRedirect || !(page.namespace.isEmpty || page.namespace == [0x30]) { return nil }
    // Dumps before 2009 do not mark redirects but by their text.
    let head = page.text.prefix(9).map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
    if head == Array("#redirect".utf8) { return nil }
    let text = WikiText.plain(page.text)
    if text.isEmpty { return nil }
    return RecordLine(
      location: RecordLocation(file: context.input.name, line: page.line),
      bytes: output.object { writer in
        writer.field("text", String(decoding: text, as: UTF8.self))
        writer.field("title", String(decoding: page.title, as: UTF8.self))
        writer.field("id", String(decoding: page.id, as: UTF8.self))
        writer.field("source", context.input.name)
      })
  }

  private func malformed() -> CorpusError {
    var problem = "not well-formed"
    if let error = xmlGetLastError(), let message = error.pointee.message {
      problem = String(cString: message).split { $0.isWhitespace }.joined(separator: " ")
    }
    return .malformedXML(location, problem: problem)
  }
}
