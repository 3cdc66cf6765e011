// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// A dictd dictionary (dictd(8), dictfmt(1)), named by its index; the `.dict` or `.dict.dz` lies beside it.
///
/// Each entry becomes `{"prompt":"Define the term \"X\".","completion":…,"category":…,"date":…,"source":"X"}`,
/// in the order of the index, an entry with several headwords once. The dictionary is held in memory,
/// as the index refers to its bytes.
final class DictdReader: RecordSource {
  private struct Entry {
    let location: RecordLocation
    let headword: String
    let range: Range<Int>
  }
  private let dictionary: [UInt8]
  private var entries: ArraySlice<Entry>
  /// All headwords of an entry, in lower case, by where it stands.
  private let headwords: [Range<Int>: Set<String>]
  /// What the dictionary is about, for the prompt: `computing ` or nothing.
  private let subject: String
  private let output = LineBuffer()

  /// - Parameter index: the index; its name says where the dictionary lies.
  init(_ index: InputSource) throws {
    let path = index.name
    let tried = DictdReader.candidates(path)
    guard let dictionaryPath = tried.first(where: FileSystem.exists) else {
      throw CorpusError.missingDictionary(index: path, tried: tried)
    }
    dictionary = try InputSource(path: dictionaryPath).readAll()
    let lines = LineReader(index)
    var entries: [Entry] = []
    var headwords: [Range<Int>: Set<String>] = [:]
    var subject = ""
    while let line = try lines.next() {
      if line.isEmpty { continue }
      let location = RecordLocation(file: lines.name, line: lines.lineNumber)
      let entry = try DictdReader.entry(line, at: location, dictionaryBytes: dictionary.count)
      if entry.headword.hasPrefix("00-database-") || entry.headword.hasPrefix("00database") {
        if entry.headword.hasSuffix("short") {
          let title = String(decoding: dictionary[entry.range], as: UTF8.self)
          if title.lowercased().contains("computing") { subject = "computing " }
        }
        continue
      }
      if headwords[entry.range] == nil { entries.append(entry) }
      headwords[entry.range, default: []].insert(entry.headword.lowercased())
    }
    self.entries = entries[...]
    self.headwords = headwords
    self.subject = subject
  }

  /// The index and its dictionary.
  static func files(of path: String) -> [String] {
    [path] + candidates(path).filter(FileSystem.exists).prefix(1)
  }

  private static func candidates(_ index: String) -> [String] {
    let stem = index.hasSuffix(".index") ? String(index.dropLast(6)) : index
    return ["\(stem).dict", "\(stem).dict.dz"]
  }

  func next() throws -> RecordLine? {
    while let entry = entries.popFirst() {
      let text = try UTF8Text.decode(dictionary[entry.range], at: entry.location)
      let article = DictdArticle(text)
      if article.body.isEmpty { continue }
      // The article spells the headword as it should be; the index has it in lower case.
      let isSpelled = headwords[entry.range]?.contains(article.title.lowercased()) ?? false
      let headword = isSpelled ? article.title : entry.headword
      return RecordLine(
        location: entry.location,
        bytes: output.object { writer in
          writer.field("prompt", "Define the \(subject)term \"\(headword)\".")
          writer.field("completion", article.body)
          writer.field("category", ifPresent: article.category)
          writer.field("date", ifPresent: article.date)
          writer.field("source", headword)
        })
    }
    return nil
  }

  /// Reads `headword TAB offset TAB length`; a fourth column, the original headword, is passed over.
  private static func entry(
    _ line: UnsafeRawBufferPointer, at location: RecordLocation, dictionaryBytes: Int
  ) throws(CorpusError) -> Entry {
    let columns = line.split(separator: 0x09, omittingEmptySubsequences: false)
    guard columns.count == 3 || columns.count == 4 else {
      throw .malformedIndexLine(
        location, problem: "expected 3 columns with tabs between, found \(columns.count)")
    }
    guard let offset = number(columns[1]), let length = number(columns[2]) else {
      throw .malformedIndexLine(location, problem: "expected offset and length in base 64")
    }
    let (end, overflow) = offset.addingReportingOverflow(length)
    guard !overflow, end <= dictionaryBytes else {
      throw .entryOutside(location, end: end, dictionaryBytes: dictionaryBytes)
    }
    return Entry(
      location: location, headword: try UTF8Text.decode(Array(columns[0])[...], at: location),
      range: offset..<end)
  }

  /// A number in dictd's base 64, most significant digit first.
  private static func number(_ digits: Slice<UnsafeRawBufferPointer>) -> Int? {
    if digits.isEmpty || digits.count > 10 { return nil }
    var value = 0
    for digit in digits {
      let next: UInt8
      switch digit {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): next = digit - UInt8(ascii: "A")
      case UInt8(ascii: "a")...UInt8(ascii: "z"): next = digit - UInt8(ascii: "a") + 26
      case UInt8(ascii: "0")...UInt8(ascii: "9"): next = digit - UInt8(ascii: "0") + 52
      case UInt8(ascii: "+"): next = 62
      case UInt8(ascii: "/"): next = 63
      default: return nil
      }
      value = value << 6 | Int(next)
    }
    return value
  }
}
