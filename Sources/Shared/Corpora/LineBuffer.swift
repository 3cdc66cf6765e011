// SPDX-License-Identifier: Apache-2.0
internal import Streams

/// Holds the JSON of the record that a reader has made last.
final class LineBuffer {
  private var storage = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 12, alignment: 16)
  private var writer = JSONWriter()

  deinit { storage.deallocate() }

  /// The object that `body` writes; valid until the next call.
  func object(_ body: (inout JSONWriter) -> Void) -> UnsafeRawBufferPointer {
    writer.reset()
    writer.object(body)
    return hold(writer.bytes)
  }

  /// A copy of `bytes`; valid until the next call.
  func hold(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
    if bytes.count > storage.count {
      storage.deallocate()
      storage = .allocate(byteCount: bytes.count * 2, alignment: 16)
    }
    bytes.withUnsafeBytes { storage.copyMemory(from: $0) }
    return UnsafeRawBufferPointer(rebasing: storage[..<bytes.count])
  }
}
