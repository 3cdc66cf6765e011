// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// Tells a file's format by its first bytes, and where they leave it open by its name.
enum FormatRecognition {
  private static let headBytes = 4096

  /// Binary formats that are not read, by their first bytes, with the way to JSON Lines.
  private static let refused: [(magic: [UInt8], name: String, conversion: String)] = [
    (
      Array("PAR1".utf8), "Parquet",
      #"python3 -c 'import pandas,sys; pandas.read_parquet(sys.argv[1]).to_json(sys.stdout,orient="records",lines=True)'"#
    ),
    (
      Array("ARROW1".utf8), "Arrow",
      #"python3 -c 'import pandas,sys; pandas.read_feather(sys.argv[1]).to_json(sys.stdout,orient="records",lines=True)'"#
    ),
    (
      Array("FEA1".utf8), "Feather",
      #"python3 -c 'import pandas,sys; pandas.read_feather(sys.argv[1]).to_json(sys.stdout,orient="records",lines=True)'"#
    ),
    (
      Array("ORC".utf8), "ORC",
      #"python3 -c 'import pandas,sys; pandas.read_orc(sys.argv[1]).to_json(sys.stdout,orient="records",lines=True)'"#
    ),
    (Array("SQLite format 3".utf8), "SQLite", "sqlite3 -json FILE 'select …' | jq -c '.[]'"),
    ([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], "7-Zip", "7z x -so FILE"),
    (Array("Rar!".utf8), "RAR", "unrar p -inul FILE"),
    (Array("%PDF-".utf8), "PDF", "pdftotext FILE -"),
  ]

  /// - Throws: ``CorpusError/refusedFormat(file:name:conversion:)``,
  ///   ``CorpusError/otherEncoding(_:name:)``, reading errors.
  static func format(of input: InputSource) throws -> CorpusCatalog.Format {
    let head = Array(try input.peek(headBytes))
    if let found = try binary(head, name: input.name) { return found }
    let named = format(ofName: input.name)
    if let named, named.name != "wikipedia" {
      if named.name != "json" || !isLines(head) { return named }
      return CorpusCatalog.known("jsonl")
    }
    return content(head) ?? CorpusCatalog.all[0]
  }

  /// The format that the name of a file tells; nil where it tells nothing.
  static func format(ofName name: String) -> CorpusCatalog.Format? {
    var name = name.lowercased()
    for ending in [".gz", ".bz2", ".xz", ".zst", ".zstd"] where name.hasSuffix(ending) {
      name.removeLast(ending.count)
      break
    }
    return CorpusCatalog.all.first { $0.endings.contains { name.hasSuffix($0) } }
  }

  /// What only bytes can tell: archives, and what is refused.
  private static func binary(
    _ head: [UInt8], name: String
  ) throws(CorpusError) -> CorpusCatalog.Format? {
    if let found = refused.first(where: { head.starts(with: $0.magic) }) {
      throw .refusedFormat(
        file: name, name: found.name,
        conversion: found.conversion.contains("FILE")
          ? found.conversion : "\(found.conversion) \(name) > records.jsonl")
    }
    for magic in [[0x50, 0x4b, 3, 4], [0x50, 0x4b, 5, 6]] as [[UInt8]] where head.starts(with: magic) {
      return CorpusCatalog.known("zip")
    }
    if isTar(head) { return CorpusCatalog.known("tar") }
    if head.starts(with: Array("WARC/".utf8)) { return CorpusCatalog.known("warc") }
    for (magic, encoding) in [([0xff, 0xfe], "UTF-16LE"), ([0xfe, 0xff], "UTF-16BE")] as [([UInt8], String)]
    where head.starts(with: magic) {
      // XML says its encoding; text does not.
      let text = head.filter { $0 != 0 && $0 < 0x80 }
      if contains(text, "<mediawiki") { return CorpusCatalog.known("wikipedia") }
      throw .otherEncoding(RecordLocation(file: name, line: 1), name: encoding)
    }
    return nil
  }

  /// A header block of tar has the sum of its own bytes (POSIX 1003.1, ustar).
  private static func isTar(_ head: [UInt8]) -> Bool {
    guard head.count >= 512, head[0] != 0 else { return false }
    let digits = head[148..<156].filter { $0 >= 0x30 && $0 <= 0x37 }
    guard !digits.isEmpty, digits.count <= 7 else { return false }
    let sum = digits.reduce(0) { $0 << 3 | Int($1 - 0x30) }
    let found = head[..<148].reduce(0) { $0 + Int($1) } + 8 * 0x20
      + head[156..<512].reduce(0) { $0 + Int($1) }
    return sum == found
  }

  private static func content(_ head: [UInt8]) -> CorpusCatalog.Format? {
    let text = head.drop { $0 == 0x20 || (0x09...0x0d).contains($0) || $0 >= 0x80 }
    switch text.first {
    case UInt8(ascii: "["): return CorpusCatalog.known("json")
    case UInt8(ascii: "{"): return isLines(head) ? nil : CorpusCatalog.known("json")
    case UInt8(ascii: "<"):
      if contains(head, "<mediawiki") { return CorpusCatalog.known("wikipedia") }
      let lower = head.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
      for tag in ["<!doctype html", "<html", "<head", "<body"] where contains(lower, tag) {
        return CorpusCatalog.known("html")
      }
      return nil
    default: return nil
    }
  }

  /// Whether the first line is a whole value, or goes on behind the bytes at hand.
  private static func isLines(_ head: [UInt8]) -> Bool {
    guard head.first == UInt8(ascii: "{") || head.starts(with: [0xef, 0xbb, 0xbf, 0x7b]) else {
      return false
    }
    guard let end = head.firstIndex(of: 0x0a) else { return true }
    return head[..<end].withUnsafeBytes { line in
      var scanner = JSONScanner(UnsafeRawBufferPointer(rebasing: line.drop { $0 >= 0x80 }))
      return (try? scanner.skipValue()) != nil && (try? scanner.finish()) != nil
    }
  }

  private static func contains(_ bytes: [UInt8], _ text: String) -> Bool {
    let wanted = Array(text.utf8)
    guard bytes.count >= wanted.count else { return false }
    return (0...bytes.count - wanted.count).contains { bytes[$0...].starts(with: wanted) }
  }
}
