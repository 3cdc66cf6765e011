// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Records
package import Streams

/// Records kept on disk between two passes over an input that can be read only once. The file has no
/// name and goes away with the process.
package final class RecordSpool {
  private let descriptor: Int32
  private let folder: String
  private var buffer: [UInt8] = []
  private var files: [String] = []
  private var written = 0
  private var readOffset = 0
  private var block: [UInt8] = []
  private var blockStart = 0

  private static let blockBytes = 1 << 20
  /// File, line and length before the bytes of a record.
  private static let headBytes = 20

  /// - Parameter folder: where the file lies; by default `$TMPDIR` or /tmp.
  package init(folder: String? = nil) throws(StreamError) {
    let chosen = folder ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    self.folder = chosen
    var template = Array("\(chosen)/cl-spool.XXXXXX".utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw .cannotCreate(path: chosen, errno: errno) }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    unlink(template)
  }

  deinit { close(descriptor) }

  package func append(
    _ bytes: UnsafeRawBufferPointer, at location: RecordLocation
  ) throws(StreamError) {
    if files.last != location.file { files.append(location.file) }
    put(UInt64(files.count - 1), 4)
    put(UInt64(location.line), 8)
    put(UInt64(bytes.count), 8)
    buffer.append(contentsOf: bytes)
    if buffer.count >= Self.blockBytes { try flush() }
  }

  private func put(_ value: UInt64, _ count: Int) {
    for shift in 0..<count { buffer.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * shift))) }
  }

  /// Ends the writing; ``next()`` then starts with the first record.
  package func rewind() throws(StreamError) {
    try flush()
    readOffset = 0
    block = []
    blockStart = 0
  }

  /// The next record, or nil after the last one.
  package func next() throws(StreamError) -> (location: RecordLocation, bytes: ArraySlice<UInt8>)? {
    if readOffset >= written { return nil }
    let head = try bytes(readOffset, Self.headBytes)
    func number(_ offset: Int, _ count: Int) -> Int {
      (0..<count).reduce(0) { $0 | Int(head[head.startIndex + offset + $1]) << (8 * $1) }
    }
    let (file, line, count) = (number(0, 4), number(4, 8), number(12, 8))
    let record = try bytes(readOffset + Self.headBytes, count)
    readOffset += Self.headBytes + count
    return (RecordLocation(file: files[file], line: line), record)
  }

  private func bytes(_ offset: Int, _ count: Int) throws(StreamError) -> ArraySlice<UInt8> {
    if offset < blockStart || offset + count > blockStart + block.count {
      blockStart = offset
      let wanted = min(written - offset, max(Self.blockBytes, count))
      block = [UInt8](repeating: 0, count: wanted)
      var got = 0
      while got < wanted {
        let read = block.withUnsafeMutableBytes {
          pread(descriptor, $0.baseAddress.map { $0 + got }, wanted - got, off_t(offset + got))
        }
        if read < 0, errno == EINTR { continue }
        if read <= 0 { throw .readFailed(path: folder, errno: read < 0 ? errno : EIO) }
        got += read
      }
    }
    let start = offset - blockStart
    return block[start..<start + count]
  }

  private func flush() throws(StreamError) {
    var done = 0
    while done < buffer.count {
      let count = buffer.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, $0.count - done)
      }
      if count < 0, errno == EINTR { continue }
      if count < 0 { throw .writeFailed(path: folder, errno: errno) }
      done += count
    }
    written += done
    buffer.removeAll(keepingCapacity: true)
  }
}
