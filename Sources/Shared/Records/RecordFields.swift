// SPDX-License-Identifier: Apache-2.0
package import Streams

/// The members of one record's object, as byte ranges of its line; nothing is decoded yet.
package struct RecordFields {
  package struct Member {
    package let key: JSONString
    package let kind: JSONKind
    /// Range of the value in the line.
    package let range: Range<Int>
  }

  package let location: RecordLocation
  package let line: UnsafeRawBufferPointer
  package let members: [Member]
  /// Offset of the closing brace.
  package let closingBrace: Int

  /// Reads and checks one line. The line must outlive the value.
  ///
  /// - Throws: ``RecordError/malformedJSON(_:_:)`` (two members of one name too: programs disagree
  ///   on which one counts), ``RecordError/notAnObject(_:found:)``.
  package init(
    _ line: UnsafeRawBufferPointer, at location: RecordLocation
  ) throws(RecordError) {
    self.line = line
    self.location = location
    var members: [Member] = []
    var scanner = JSONScanner(line)
    do throws(JSONError) {
      let kind = try scanner.peekKind()
      if kind != .object {
        try scanner.skipValue()
        try scanner.finish()
        throw JSONError(.expected("object", found: kind.rawValue), at: -1)
      }
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        let kind = try scanner.peekKind()
        let start = scanner.offset
        try scanner.skipValue()
        members.append(Member(key: key, kind: kind, range: start..<scanner.offset))
      }
      try Self.refuseDuplicates(members)
      closingBrace = scanner.offset - 1
      try scanner.finish()
    } catch {
      if error.offset < 0, case .expected(_, let found) = error.problem {
        throw .notAnObject(location, found: JSONKind(rawValue: found) ?? .null)
      }
      throw .malformedJSON(location, error)
    }
    self.members = members
  }

  private static func refuseDuplicates(_ members: [Member]) throws(JSONError) {
    if members.count <= 16 && !members.contains(where: \.key.hasEscapes) {
      for (index, member) in members.enumerated() {
        for other in members[..<index] where other.key.raw.elementsEqual(member.key.raw) {
          throw duplicate(member.key)
        }
      }
      return
    }
    var seen: Set<[UInt8]> = []
    for member in members where !seen.insert(try member.key.decodedBytes()).inserted {
      throw duplicate(member.key)
    }
  }

  private static func duplicate(_ key: JSONString) -> JSONError {
    JSONError(.duplicateKey((try? key.decoded()) ?? "?"), at: key.offset - 1)
  }

  /// The member called `key`, or nil.
  package func member(_ key: String) -> Member? {
    members.first { $0.key.matches(key) }
  }

  package func bytes(of member: Member) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: line[member.range])
  }

  /// The decoded value of `member`.
  package func value(of member: Member) throws(RecordError) -> JSONValue {
    do throws(JSONError) {
      return try JSONValue(parsing: bytes(of: member))
    } catch {
      throw .malformedJSON(
        location, JSONError(error.problem, at: error.offset + member.range.lowerBound))
    }
  }

  /// A string field.
  ///
  /// - Throws: ``RecordError/missingField(_:field:)``, ``RecordError/wrongType(_:field:expected:found:)``.
  package func string(_ key: String) throws(RecordError) -> String {
    guard let member = member(key) else { throw .missingField(location, field: key) }
    guard member.kind == .string else {
      throw .wrongType(location, field: key, expected: "string", found: member.kind.rawValue)
    }
    return try value(of: member).text ?? ""
  }

  /// The value at a dotted path such as `meta.source`, or nil where a part is missing.
  package func value(at path: String) throws(RecordError) -> JSONValue? {
    if let member = member(path) { return try value(of: member) }
    let parts = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard parts.count > 1, let first = member(parts[0]) else { return nil }
    var value = try value(of: first)
    for part in parts.dropFirst() {
      guard let next = value[part] else { return nil }
      value = next
    }
    return value
  }

  /// The line with `key` set to `json`: replaced where it stands, else added at the end. Every other
  /// byte stays as it is.
  package func setting(_ key: String, to json: [UInt8]) -> [UInt8] {
    setting([(key, json)])
  }

  /// The line with several keys set, those that are added in the order given.
  package func setting(_ changes: [(key: String, json: [UInt8])]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(line.count + changes.reduce(0) { $0 + $1.json.count + $1.key.count + 4 })
    var replacements: [(range: Range<Int>, json: [UInt8])] = []
    var additions: [UInt8] = []
    for change in changes {
      if let member = member(change.key) {
        replacements.append((member.range, change.json))
      } else {
        var writer = JSONWriter()
        writer.key(change.key)
        writer.raw(change.json)
        if !members.isEmpty || !additions.isEmpty { additions.append(UInt8(ascii: ",")) }
        additions += writer.bytes
      }
    }
    var copied = 0
    for (range, json) in replacements.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
      result.append(contentsOf: line[copied..<range.lowerBound])
      result.append(contentsOf: json)
      copied = range.upperBound
    }
    result.append(contentsOf: line[copied..<closingBrace])
    result.append(contentsOf: additions)
    result.append(contentsOf: line[closingBrace...])
    return result
  }
}

extension JSONString {
  /// Whether the decoded string is `text`, byte for byte.
  package func matches(_ text: String) -> Bool {
    if hasEscapes { return (try? decodedBytes()).map { $0 == Array(text.utf8) } ?? false }
    return raw.elementsEqual(text.utf8)
  }
}
