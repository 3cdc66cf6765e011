// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

extension AdapterFile {
  /// Reads the metadata of a safetensors file: 8 bytes of header length, then JSON whose
  /// `__metadata__` has the keys `cl` and `adapter_config`. The tensors are not looked at.
  ///
  /// - Throws: ``RecordError`` where the header is no JSON or is cut off.
  init(path: String, role: FileRole) throws {
    let file = try MappedFile(path: path)
    source = role.source
    bytes = file.bytes.count
    fileDigest = ContentDigest.hexadecimal(of: file.bytes)
    let location = RecordLocation(file: path, line: 1)
    guard file.bytes.count >= 8 else {
      throw RecordError.malformedJSON(location, JSONError(.unexpectedEnd, at: file.bytes.count))
    }
    let length = (0..<8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64(file.bytes[$1]) }
    guard length <= UInt64(file.bytes.count - 8) else {
      throw RecordError.malformedJSON(location, JSONError(.unexpectedEnd, at: file.bytes.count))
    }
    let header = UnsafeRawBufferPointer(rebasing: file.bytes[8..<8 + Int(length)])
    let fields = try RecordFields(header, at: location)
    guard let member = fields.member("__metadata__") else { return }
    let metadata = LineFields(location: location, value: try fields.value(of: member))
    try readOrigin(try metadata.text("cl"), at: location)
    if let text = try metadata.text("adapter_config") {
      let config = LineFields(location: location, value: try AdapterFile.parse(text, at: location))
      rank = try config.count("r")
    }
  }

  private mutating func readOrigin(_ text: String?, at location: RecordLocation) throws {
    guard let text else { return }
    let origin = LineFields(location: location, value: try AdapterFile.parse(text, at: location))
    tool = try origin.text("tool")
    base = try origin.text("base")
    parent = try origin.text("parent")
    client = try origin.name("client").map(ClientID.init)
    round = try origin.count("round")
    seed = try origin.name("seed")
    records = try origin.count("records")
    steps = try origin.count("steps")
  }

  private static func parse(_ text: String, at location: RecordLocation) throws -> JSONValue {
    do {
      return try JSONValue(parsing: Array(text.utf8))
    } catch let error as JSONError {
      throw RecordError.malformedJSON(location, error)
    }
  }
}
