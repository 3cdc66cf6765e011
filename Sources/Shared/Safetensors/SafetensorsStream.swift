// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Whole safetensors files back to back on one pipe; where each ends follows from its header.
///
/// Memory grows with the bytes that have arrived, never with what a header claims.
package final class SafetensorsStream {
  private let source: InputSource
  private var count = 0

  package init(_ source: InputSource) { self.source = source }

  /// The next file, or nil at the end of the stream.
  ///
  /// - Throws: ``SafetensorsError/Problem/truncated(expectedBytes:foundBytes:)`` if the stream ends
  ///   inside a file.
  package func next() throws(SafetensorsError) -> SafetensorsFile? {
    let path = "\(source.name) #\(count + 1)"
    let received = ReceivedBytes()
    if try received.fill(upTo: 8, from: source) == 0 { return nil }
    let jsonBytes = try SafetensorsHeader.jsonBytes(prefix: received.bytes, path: path)
    try receive(8 + jsonBytes, into: received, path: path)
    let header = try SafetensorsHeader(
      parsing: UnsafeRawBufferPointer(rebasing: received.bytes[8...]), path: path)
    let (total, overflow) = (8 + jsonBytes).addingReportingOverflow(header.dataBytes)
    if overflow {
      throw SafetensorsError(
        .truncated(expectedBytes: .max, foundBytes: received.bytes.count), path: path)
    }
    try receive(total, into: received, path: path)
    count += 1
    return try SafetensorsFile(path: path, bytes: received.bytes, owner: received)
  }

  private func receive(
    _ total: Int, into received: ReceivedBytes, path: String
  ) throws(SafetensorsError) {
    let found = try received.fill(upTo: total, from: source)
    if found < total {
      throw SafetensorsError(.truncated(expectedBytes: total, foundBytes: found), path: path)
    }
  }
}

/// Bytes read from a pipe, in storage that doubles as they come.
final class ReceivedBytes {
  private static let firstCapacity = 1 << 16
  private var storage = UnsafeMutableRawBufferPointer.allocate(
    byteCount: ReceivedBytes.firstCapacity, alignment: 64)
  private var count = 0

  deinit { storage.deallocate() }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage[..<count]) }

  /// Reads until `total` bytes are held or the source ends.
  ///
  /// - Returns: the number of bytes held.
  @discardableResult
  func fill(upTo total: Int, from source: InputSource) throws(SafetensorsError) -> Int {
    while count < total {
      if count == storage.count { grow(towards: total) }
      let room = UnsafeMutableRawBufferPointer(rebasing: storage[count..<min(total, storage.count)])
      do {
        let received = try source.read(into: room)
        if received == 0 { break }
        count += received
      } catch {
        throw SafetensorsError(.stream(error), path: source.name)
      }
    }
    return count
  }

  private func grow(towards total: Int) {
    let larger = UnsafeMutableRawBufferPointer.allocate(
      byteCount: min(total, storage.count * 2), alignment: 64)
    larger.copyMemory(from: bytes)
    storage.deallocate()
    storage = larger
  }
}
