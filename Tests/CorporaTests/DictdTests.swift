// SPDX-License-Identifier: Apache-2.0
import Corpora
import Records
import Streams
import TestSupport
import Testing

/// A dictd dictionary in a fresh folder.
private struct DictionaryFolder {
  let folder: TemporaryDirectory
  var index: String { folder.file("d.index") }

  /// - Parameter entries: headwords of the index, and the text that they share.
  init(_ entries: [(headwords: [String], text: String)]) throws {
    folder = try TemporaryDirectory()
    var (dictionary, index) = ([UInt8](), "")
    for entry in entries {
      let bytes = Array(entry.text.utf8)
      for word in entry.headwords {
        index += "\(word)\t\(Self.digits(dictionary.count))\t\(Self.digits(bytes.count))\n"
      }
      dictionary += bytes
    }
    try folder.write("d.dict", dictionary)
    try folder.write("d.index", index)
  }

  /// dictd's numbers: base 64, most significant digit first.
  private static func digits(_ value: Int) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var (rest, text) = (value, "")
    repeat {
      text = String(alphabet[rest % 64]) + text
      rest /= 64
    } while rest > 0
    return text
  }
}

@Suite struct DictdTests {
  private func records(_ path: String) throws -> [JSONValue] {
    let corpus = Corpus(paths: [path])
    var values: [JSONValue] = []
    while let line = try corpus.next() { values.append(try JSONValue(parsing: line.bytes)) }
    return values
  }

  private func read(_ entries: [(headwords: [String], text: String)]) throws -> [JSONValue] {
    let dictionary = try DictionaryFolder(entries)
    return try withExtendedLifetime(dictionary) { try records(dictionary.index) }
  }

  @Test func entryBecomesPromptAndCompletion() throws {
    let article = """
      Colour
      color

         <graphics, hardware> What {light} of some
         {wave
         length} looks like.  See {palette}.

         Second paragraph.

         (1999-01-02)

      """
    let found = try read([
      (["00-database-short"], "00-database-short\n     A Dictionary of Computing\n"),
      (["colour", "color"], article),
    ])
    #expect(found.count == 1)
    let record = found[0]
    #expect(record["prompt"]?.text == "Define the computing term \"Colour\".")
    #expect(
      record["completion"]?.text
        == "What light of some wave length looks like. See palette.\n\nSecond paragraph.")
    #expect(record["category"]?.text == "graphics")
    #expect(record["date"]?.text == "1999-01-02")
    #expect(record["source"]?.text == "Colour")
    #expect(record.object?.keys == ["prompt", "completion", "category", "date", "source"])
  }

  @Test func otherDictionariesAreNotAboutComputing() throws {
    let found = try read([(["x"], "x\n\n   Body.\n")])
    #expect(found.map { $0["prompt"]?.text } == ["Define the term \"x\"."])
    #expect(found[0].object?.keys == ["prompt", "completion", "source"])
  }

  @Test func entryOfSeveralHeadwordsComesOnceWhereItFirstStands() throws {
    let found = try read([(["a", "z", "b"], "B\n\n   One.\n"), (["c"], "Sea\n\n   Two.\n")])
    #expect(found.map { $0["source"]?.text } == ["B", "c"])
    #expect(found.map { $0["completion"]?.text } == ["One.", "Two."])
  }

  static let articles: [(body: String, completion: String, category: String?)] = [
    ("1. <language> One.\n\n   2. <storage> Two.", "1. One.\n\n2. Two.", "language"),
    ("/mod'yu-loh/\n\n   1. <mathematics> One.", "1. One.", "mathematics"),
    ("/seg'ment/ 1. <operating system, x> One.", "1. One.", "operating system"),
    ("<operating\n   system> One.", "One.", "operating system"),
    ("The tag <IMG> stays.", "The tag <IMG> stays.", nil),
    ("<user@example.org> stays.", "<user@example.org> stays.", nil),
    ("<open", "<open", nil),
    ("/not a pronunciation", "/not a pronunciation", nil),
    ("{a b\n   c} and { code } and {{d}} {", "a b c and { code } and {d} {", nil),
    (
      "Prose\n   goes on:\n     kept  as\n       it is\n   and on.",
      "Prose goes on:\n  kept  as\n    it is\nand on.", nil
    ),
    ("Words (not 1999-01-02).", "Words (not 1999-01-02).", nil),
  ]

  @Test(arguments: articles.indices)
  func articleIsCleaned(index: Int) throws {
    let (body, completion, category) = Self.articles[index]
    let record = try #require(try read([(["x"], "x\n\n   \(body)\n\n")]).first)
    #expect(record["completion"]?.text == completion)
    #expect(record["category"]?.text == category)
  }

  @Test func entriesWithoutABodyAreNoRecords() throws {
    #expect(try read([(["x"], "x\n"), (["y"], ""), (["z"], "z\n\n   (1999-01-02)\n")]).isEmpty)
  }

  static let brokenLines: [(line: String, problem: String?)] = [
    ("x\tA", "expected 3 columns with tabs between, found 2"),
    ("x\tA\t!", "expected offset and length in base 64"),
    ("x\tA\t", "expected offset and length in base 64"),
    ("x\tAAAAAAAAAAA\tA", "expected offset and length in base 64"),
    ("x\t//////////\t//////////", nil),
    ("x\tA\tD", nil),
  ]

  @Test(arguments: brokenLines.indices)
  func malformedIndexIsRefused(index: Int) throws {
    let (line, problem) = Self.brokenLines[index]
    let folder = try TemporaryDirectory()
    try folder.write("d.dict", "ab")
    let path = try folder.write("d.index", "\n\(line)\n")
    let place = RecordLocation(file: path, line: 2)
    let error = try #require(throws: CorpusError.self) { try records(path) }
    switch (error, problem) {
    case (.malformedIndexLine(let found, let text), let problem?):
      #expect(found == place && text == problem)
    case (.entryOutside(let found, _, let bytes), nil): #expect(found == place && bytes == 2)
    default: Issue.record("\(error)")
    }
  }

  @Test func missingDictionaryAndWrongEncodingAreRefused() throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write("d.index", "x\tA\tD\n")
    let missing = CorpusError.missingDictionary(
      index: path, tried: [folder.file("d.dict"), folder.file("d.dict.dz")])
    #expect(throws: missing) { try records(path) }
    try folder.write("d.dict", [0x78, 0x0a, 0xff])
    #expect(throws: CorpusError.notUTF8(RecordLocation(file: path, line: 1), offset: 2)) {
      try records(path)
    }
  }

  /// The number of entries of Debian's dict-foldoc 20230119-1, counted from its index by hand.
  @Test func foldocIsReadWhole() throws {
    let path = "\(PackageLayout.root)/.cache/corpora/foldoc/usr/share/dictd/foldoc.index"
    guard FileSystem.exists(path) else { return }
    #expect(try records(path).count == 12_014)
  }
}
