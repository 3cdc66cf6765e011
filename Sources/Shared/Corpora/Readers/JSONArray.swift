// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// JSON files that are no JSON Lines: an array of records, or records in a row over several lines.
/// Read as a stream; white space between the tokens of a record is dropped, everything else is kept.
final class JSONArrayReader: RecordSource {
  private enum State {
    /// Between values of the file.
    case outside
    /// In an array, at its start.
    case arrayStart
    /// In an array, after a comma.
    case element
    /// In an array, after an element.
    case afterElement
  }
  private let bytes: ByteReader
  private var state = State.outside
  private var record: [UInt8] = []
  private let output = LineBuffer()
  private static let limit = LineReader.defaultLimit

  init(_ input: InputSource) { bytes = ByteReader(input) }

  func next() throws -> RecordLine? {
    while let byte = try bytes.next() {
      switch (byte, state) {
      case (0x20, _), (0x09, _), (0x0a, _), (0x0d, _): continue
      case (UInt8(ascii: "["), .outside): state = .arrayStart
      case (UInt8(ascii: "]"), .arrayStart), (UInt8(ascii: "]"), .afterElement): state = .outside
      case (UInt8(ascii: ","), .afterElement): state = .element
      case (_, .afterElement): throw unexpected("\",\" or \"]\"", byte)
      default:
        if state != .outside { state = .afterElement }
        return try value(from: byte)
      }
    }
    if state != .outside {
      throw CorpusError.malformedArray(bytes.location, expected: "\"]\"", found: "the end")
    }
    return nil
  }

  /// Collects one value. Only its extent is found here; whether it is a record is checked by those who
  /// read it.
  private func value(from first: UInt8) throws -> RecordLine {
    let location = bytes.location
    record.removeAll(keepingCapacity: true)
    var (depth, inString, isEscaped) = (0, false, false)
    var current: UInt8? = first
    while let byte = current {
      if inString {
        record.append(byte)
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          inString = false
        }
      } else {
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
        case UInt8(ascii: "\""): inString = true
        default: break
        }
        if byte != 0x20 && byte != 0x09 && byte != 0x0a && byte != 0x0d { record.append(byte) }
      }
      if record.count > JSONArrayReader.limit {
        throw CorpusError.recordTooLong(location, limit: JSONArrayReader.limit)
      }
      let following = try bytes.peek()
      if depth <= 0 && !inString && endsHere(following) { break }
      current = try bytes.next()
    }
    return RecordLine(location: location, bytes: output.hold(record))
  }

  private func endsHere(_ next: UInt8?) -> Bool {
    guard let next else { return true }
    guard let last = record.last else { return false }
    if last == UInt8(ascii: "}") || last == UInt8(ascii: "]") { return true }
    return next == UInt8(ascii: ",") || next == UInt8(ascii: "]") || next == 0x0a
  }

  private func unexpected(_ expected: String, _ byte: UInt8) -> CorpusError {
    let found =
      byte >= 0x21 && byte < 0x7f ? "\"\(String(UnicodeScalar(byte)))\"" : "byte \(byte)"
    return .malformedArray(bytes.location, expected: expected, found: found)
  }
}
