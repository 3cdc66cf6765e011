// SPDX-License-Identifier: Apache-2.0
internal import CArchive

/// gzip (RFC 1952) by zlib: members in a row, each with its CRC and length checked.
final class GzipDecompressor: Decompressor {
  private let stored: StoredBytes
  private var library = cl_zlib()
  private let stream: UnsafeMutablePointer<cl_zstream>
  private var available = 0
  private var offset = 0
  /// Between two members, where the input may end.
  private var isBetween = false
  private var isFirstMember = true
  private var atEnd = false

  init(_ stored: StoredBytes) throws(StreamError) {
    self.stored = stored
    stream = .allocate(capacity: 1)
    stream.initialize(to: cl_zstream())
    guard cl_zlib_open(&library) == 1, cl_zlib_start(&library, stream) == 1 else {
      library.inflateEnd = nil
      throw .libraryMissing(path: stored.name, library: "libz.so.1")
    }
  }

  deinit {
    if library.inflateEnd != nil { cl_zlib_end(&library, stream) }
    stream.deallocate()
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int {
    guard !atEnd, let base = buffer.baseAddress, !buffer.isEmpty else { return 0 }
    let wanted = min(buffer.count, 1 << 30)
    while true {
      if offset == available {
        available = try stored.fill()
        offset = 0
        if available == 0 {
          guard isBetween else { throw stored.damaged("truncated gzip data") }
          atEnd = true
          return 0
        }
      }
      if isBetween {
        // Zeros after the last member are padding of tapes and block devices.
        while offset < available, stored.buffer[offset] == 0 { offset += 1 }
        if offset == available { continue }
        isBetween = false
        cl_zlib_reset(&library, stream)
      }
      stream.pointee.next_in = UnsafePointer(
        stored.buffer.baseAddress?.advanced(by: offset).assumingMemoryBound(to: UInt8.self))
      stream.pointee.avail_in = UInt32(available - offset)
      stream.pointee.next_out = base.assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_out = UInt32(wanted)
      let status = cl_zlib_inflate(&library, stream)
      offset = available - Int(stream.pointee.avail_in)
      let count = wanted - Int(stream.pointee.avail_out)
      switch status {
      case 1: isBetween = true  // Z_STREAM_END
      case 0, -5: break  // Z_OK, Z_BUF_ERROR: more input or more room
      default:
        throw stored.damaged(stream.pointee.msg.map { String(cString: $0) } ?? "damaged gzip data")
      }
      if count > 0 {
        try stored.countUnpacked(count)
        return count
      }
    }
  }
}
