// SPDX-License-Identifier: Apache-2.0
import Corpora
import Records
import Streams
import TestSupport
import Testing

@Suite struct ReaderTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  private func objects(
    _ name: String, _ bytes: [UInt8], format: String? = nil, unit: String? = nil
  ) throws -> [JSONValue] {
    try records(
      try folder.write(name, bytes), try CorpusOptions(format: format, textUnit: unit)
    ).map { try JSONValue(parsing: $0) }
  }

  private func objects(
    _ name: String, _ text: String, format: String? = nil, unit: String? = nil
  ) throws -> [JSONValue] {
    try objects(name, Array(text.utf8), format: format, unit: unit)
  }

  // MARK: Recognition

  @Test(arguments: [
    ("x", "{\"a\":1}\n{\"a\":2}\n", 2), ("x.json", "{\"a\":1}\n{\"a\":2}\n", 2),
    ("x", "[{\"a\":1},{\"a\":2},{\"a\":3}]", 3), ("x", "{\n\"a\":1}{\"a\":2}", 2),
    ("x.csv", "a\n1\n2\n", 2), ("x", "<!DOCTYPE html><p>x</p>", 1), ("x.txt", "{\"a\":1}\n\n{", 1),
    ("x", "  <HTML><body>x</body></HTML>", 1), ("x", "WARC/1.0\r\nContent-Length: 0\r\n\r\n", 0),
  ])
  func formatsAreRecognised(name: String, text: String, count: Int) throws {
    #expect(try objects(name, text).count == count)
  }

  @Test(arguments: ["PAR1xxxx", "ARROW1xx", "ORCxxxxx", "%PDF-1.4"])
  func otherFormatsAreRefusedWithTheConversion(text: String) throws {
    let path = try folder.write("x.jsonl", text)
    let error = #expect(throws: CorpusError.self) { try records(path) }
    #expect(error?.category == .unsupportedConfiguration)
    #expect(error?.hint?.hasPrefix("convert it: ") == true)
  }

  @Test func utf16IsNamed() {
    #expect(throws: CorpusError.self) {
      try objects("x.txt", [0xff, 0xfe, 0x61, 0x00, 0x0a, 0x00])
    }
  }

  // MARK: Text

  @Test func textIsCutIntoUnits() throws {
    let text = "one\ntwo\r\n\n \n  three  \n\n\n"
    func texts(_ unit: String) throws -> [String?] {
      try objects("x.txt", text, unit: unit).map { $0["text"]?.text }
    }
    #expect(try texts("file") == [text])
    #expect(try texts("paragraph") == ["one\ntwo", "three"])
    #expect(try texts("line") == ["one", "two", "three"])
    #expect(try objects("x.txt", text, unit: "paragraph").map { $0["line"]?.int } == [1, 5])
    #expect(throws: CorpusError.unknownTextUnit(name: "word")) { try texts("word") }
  }

  @Test func invalidTextIsOneBadRecord() throws {
    let path = try folder.write("x.txt", Array("good\n".utf8) + [0xff, 0x0a] + Array("good".utf8))
    let corpus = Corpus(paths: [path], options: try CorpusOptions(format: nil, textUnit: "line"))
    #expect(try corpus.next() != nil)
    let place = RecordLocation(file: path, line: 2)
    #expect(throws: CorpusError.notUTF8(place, offset: 0)) { try corpus.next() }
    #expect(try corpus.next()?.location.line == 3)
    #expect(try corpus.next() == nil)
  }

  // MARK: Tables (RFC 4180)

  @Test func tablesBecomeObjects() throws {
    let text = "text,label\r\n\"a \"\"b\"\",\r\nc\",x\r\n,\"\"\r\nplain \"quote\",é\r\n"
    let rows = try objects("x.csv", text)
    #expect(rows.map { $0["text"]?.text } == ["a \"b\",\r\nc", "", "plain \"quote\""])
    #expect(rows.map { $0["label"]?.text } == ["x", "", "é"])
    #expect(try objects("x.tsv", "a\tb\n1,5\t2\n")[0]["a"]?.text == "1,5")
    #expect(try objects("x.csv", "").isEmpty)
    #expect(try objects("x.csv", ",a\n0,b")[0]["column_1"]?.text == "0")
  }

  @Test(arguments: ["a,b\n1\n2,3\n", "a,b\n\"1\"x,2\n2,3\n"])
  func aBadRowIsOneBadRecord(text: String) throws {
    let corpus = Corpus(paths: [try folder.write("x.csv", text)])
    let error = #expect(throws: CorpusError.self) { try corpus.next() }
    #expect(error?.concernsOneRecord == true)
    #expect(try corpus.next()?.location.line == 3)
  }

  @Test(arguments: ["a,a\n1,2\n", "a\n\"open\n"])
  func tablesWithoutRowsAreRefused(text: String) throws {
    let path = try folder.write("x.csv", text)
    let error = #expect(throws: CorpusError.self) { try records(path) }
    #expect(error?.concernsOneRecord == false)
  }

  // MARK: HTML

  @Test func pagesGiveTheirMainText() throws {
    let page = """
      <!DOCTYPE html><html><head><title> The
      title</title><style>x{}</style></head><body><nav>Menu</nav><div role="main">
      <h1>Head<a class="headerlink" href="#h">¶</a></h1><p>One  <b>two</b>&amp; &lt;three&gt;</p>
      <pre>a  b
        c</pre><ul><li>i</li><li>j</li></ul><table><tr><td>1</td><td>2</td></tr></table>
      <script>evil()</script><form>no</form></div><footer>Foot</footer></body></html>
      """
    let record = try objects("page.html", page)[0]
    #expect(record["title"]?.text == "The title")
    #expect(record["text"]?.text == "Head\n\nOne two& <three>\n\na  b\n  c\n\ni\nj\n\n1\t2")
    #expect(record["source"]?.text == folder.file("page.html"))
  }

  @Test func deepPagesAreRead() throws {
    let page = String(repeating: "<div>", count: 100_000) + "deep"
    _ = try objects("x.html", page)
  }

  // MARK: Wikipedia

  private static let dump = """
    <mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/">
    <siteinfo><sitename>W</sitename></siteinfo>
    <page><title>A</title><ns>0</ns><id>1</id><revision><id>9</id><text>'''A''' is &lt;ref&gt;no&lt;/ref&gt;
    [[b|c]] {{t|{{u}}}}[[File:x.jpg|thumb|see [[d]]]].

    == Head ==
    * item&amp;nbsp;1
    {| class="x"
    | cell
    |}
    [http://x.org link] [[Category:Z]]</text></revision></page>
    <page><title>R</title><ns>0</ns><id>2</id><redirect title="A"/><revision><text>x</text></revision></page>
    <page><title>Talk:A</title><ns>1</ns><id>3</id><revision><text>x</text></revision></page>
    <page><title>É</title><ns>0</ns><id>4</id><revision><text>last</text></revision></page>
    </mediawiki>
    """

  @Test func articlesOfADumpAreRecords() throws {
    let found = try objects("x.xml", Self.dump)
    #expect(found.map { $0["title"]?.text } == ["A", "É"])
    #expect(found.map { $0["id"]?.text } == ["1", "4"])
    #expect(found[0]["text"]?.text == "A is\nc .\n\nHead\nitem 1\n\nlink")
  }

  @Test func dumpsMayBeInUTF16() throws {
    let text = "<?xml version=\"1.0\" encoding=\"UTF-16\"?>" + Self.dump
    var bytes: [UInt8] = [0xff, 0xfe]
    for unit in text.utf16 { bytes += [UInt8(unit & 0xff), UInt8(unit >> 8)] }
    #expect(try objects("dump", bytes).map { $0["title"]?.text } == ["A", "É"])
    #expect(
      try objects("dump.bz2", ArchiveBytes.packed(bytes, .bzip2)).map { $0["title"]?.text }
        == ["A", "É"])
  }

  @Test(arguments: [
    "<mediawiki><page><title>A</title>", "<mediawiki><page></mediawiki>",
    "<!DOCTYPE x [<!ENTITY a \"b\">]><mediawiki><page><title>&a;</title></page></mediawiki>",
    "<mediawiki>&undefined;</mediawiki>",
  ])
  func brokenDumpsAreRefused(text: String) {
    #expect(throws: CorpusError.self) { try objects("x.xml", text) }
  }

  // MARK: Web archives

  private func warc(_ type: String, _ fields: String, _ block: String) -> String {
    "WARC/1.0\r\nWARC-Type: \(type)\r\n\(fields)Content-Length: \(block.utf8.count)\r\n\r\n\(block)\r\n\r\n"
  }

  @Test func pagesAndTextOfWebArchivesAreRecords() throws {
    let uri = "WARC-Target-URI: http://x.org/\r\nWARC-Date: 2020-01-01T00:00:00Z\r\n"
    let html = "<html><title>T</title><body><p>page</p></body></html>"
    let text =
      warc("warcinfo", "", "software: x") + warc("request", uri, "GET / HTTP/1.1\r\n\r\n")
      + warc("response", uri, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n\(html)")
      + warc("response", uri, "HTTP/1.1 404 No\r\nContent-Type: text/html\r\n\r\n\(html)")
      + warc("response", uri, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\nx")
      + warc(
        "response", uri,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
          + "4\r\n<p>a\r\n2\r\nb!\r\n0\r\n\r\n")
      + warc("conversion", uri, "plain text")
    let found = try objects("x.warc", text)
    #expect(found.map { $0["text"]?.text } == ["page", "ab!", "plain text"])
    #expect(found[0]["title"]?.text == "T")
    #expect(found[0]["source"]?.text == "http://x.org/")
    let members = ArchiveBytes.packed(Array(text.utf8), .gzip)
    #expect(try objects("x.warc.gz", members + members).count == 6)
  }

  @Test func webArchivesAreReadToTheirEnd() throws {
    let text = Array(warc("conversion", "", "plain text").utf8)
    for count in 1..<text.count - 4 {
      #expect(throws: (any Error).self, "\(count)") { try objects("x.wet", Array(text[..<count])) }
    }
  }
}
