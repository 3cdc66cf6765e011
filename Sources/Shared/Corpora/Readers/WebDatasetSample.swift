// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// Files of one basename in a tar archive (the WebDataset convention), as one record: the members of
/// `KEY.json`, then `text` from `KEY.txt`, `label` from `KEY.cls` (a whole number, else a string), `id` (the
/// key) and `source` (the archive), each unless the JSON has it.
struct WebDatasetSample {
  /// A file that can belong to a sample.
  struct Part {
    enum Kind { case text, json, label }
    let path: String
    /// The path up to the first dot of its last component.
    let key: String
    let kind: Kind

    /// Nil for files of other endings.
    init?(_ path: String) {
      let name = FileSystem.lastComponent(path)
      guard let dot = name.firstIndex(of: "."), dot != name.startIndex else { return nil }
      switch name[dot...].lowercased() {
      case ".txt": kind = .text
      case ".json": kind = .json
      case ".cls": kind = .label
      default: return nil
      }
      self.path = path
      key = String(path.dropLast(name[dot...].count))
    }
  }

  let key: String
  private let archive: String
  private var parts: [(part: Part, bytes: [UInt8])]

  init(_ part: Part, _ bytes: [UInt8], archive: String) {
    key = part.key
    self.archive = archive
    parts = [(part, bytes)]
  }

  mutating func add(_ part: Part, _ bytes: [UInt8]) { parts.append((part, bytes)) }

  var location: RecordLocation { RecordLocation(file: "\(archive):\(parts[0].part.path)", line: 1) }

  /// The only file, if it says what it is by itself.
  var single: (path: String, bytes: [UInt8])? {
    parts.count == 1 && parts[0].part.kind != .label ? (parts[0].part.path, parts[0].bytes) : nil
  }

  /// - Throws: ``CorpusError/malformedSample(_:problem:)``, ``CorpusError/notUTF8(_:offset:)``,
  ///   `RecordError` for JSON that is no object.
  func json() throws -> [UInt8] {
    var line: [UInt8] = Array("{}".utf8)
    var seen: [Part.Kind] = []
    for (part, _) in parts {
      if seen.contains(part.kind) {
        throw CorpusError.malformedSample(location, problem: "two files of one ending")
      }
      seen.append(part.kind)
    }
    if let json = parts.first(where: { $0.part.kind == .json }) {
      line = compact(json.bytes)
    }
    var changes: [(key: String, json: [UInt8])] = []
    for (part, bytes) in parts where part.kind != .json {
      let place = RecordLocation(file: "\(archive):\(part.path)", line: 1)
      let text = try UTF8Text.decode(bytes[...], at: place)
      if part.kind == .text {
        changes.append(("text", Self.quoted(text)))
      } else {
        let label = text.split { $0.isWhitespace }.joined(separator: " ")
        changes.append(("label", Int(label).map { Array("\($0)".utf8) } ?? Self.quoted(label)))
      }
    }
    changes.append(("id", Self.quoted(key)))
    changes.append(("source", Self.quoted(archive)))
    return try line.withUnsafeBytes { bytes in
      let fields = try RecordFields(bytes, at: location)
      return fields.setting(changes.filter { fields.member($0.key) == nil })
    }
  }

  /// Without the line ends between its tokens and around it, as a record is one line.
  private func compact(_ bytes: [UInt8]) -> [UInt8] {
    var content = bytes[...]
    if content.starts(with: [0xef, 0xbb, 0xbf]) { content = content.dropFirst(3) }
    while let last = content.last, last <= 0x20 { content.removeLast() }
    return content.map { $0 == 0x0a || $0 == 0x0d ? 0x20 : $0 }
  }

  private static func quoted(_ text: String) -> [UInt8] {
    var writer = JSONWriter()
    writer.value(text)
    return writer.bytes
  }
}
