// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// Bytes of an input one by one, with line numbers.
final class ByteReader {
  private let source: InputSource
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
  private var offset = 0
  private var count = 0
  private(set) var line = 1
  private var isFirst = true

  init(_ source: InputSource) { self.source = source }

  deinit { buffer.deallocate() }

  var name: String { source.name }
  var location: RecordLocation { RecordLocation(file: source.name, line: line) }

  func peek() throws(StreamError) -> UInt8? {
    if offset == count {
      if isFirst {
        isFirst = false
        if try source.peek(3).elementsEqual([0xef, 0xbb, 0xbf]) {
          _ = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<3]))
        }
      }
      count = try source.read(into: buffer)
      offset = 0
      if count == 0 { return nil }
    }
    return buffer[offset]
  }

  func next() throws(StreamError) -> UInt8? {
    guard let byte = try peek() else { return nil }
    offset += 1
    if byte == 0x0a { line += 1 }
    return byte
  }

  /// A line without its end (LF or CR LF); nil at the end of the input.
  ///
  /// - Throws: ``StreamError/lineTooLong(path:line:limit:)``.
  func nextLine(limit: Int) throws(StreamError) -> [UInt8]? {
    guard try peek() != nil else { return nil }
    var bytes: [UInt8] = []
    while let byte = try next(), byte != 0x0a {
      bytes.append(byte)
      if bytes.count > limit { throw .lineTooLong(path: name, line: line, limit: limit) }
    }
    if bytes.last == 0x0d { bytes.removeLast() }
    return bytes
  }

  /// Exactly `wanted` bytes, or those that there are; kept only where `keeps`.
  func take(_ wanted: Int, keeps: Bool) throws(StreamError) -> (bytes: [UInt8], count: Int) {
    var bytes: [UInt8] = []
    var taken = 0
    while taken < wanted, try peek() != nil {
      let piece = min(wanted - taken, count - offset)
      let part = UnsafeRawBufferPointer(rebasing: buffer[offset..<offset + piece])
      if keeps { bytes.append(contentsOf: part) }
      for byte in part where byte == 0x0a { line += 1 }
      offset += piece
      taken += piece
    }
    return (bytes, taken)
  }
}
