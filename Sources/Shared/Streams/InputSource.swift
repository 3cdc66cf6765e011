// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A file or standard input as a run of bytes; gzip, bzip2, xz and zstd are recognised by content
/// and unpacked on the way (concatenated members and frames too).
package final class InputSource {
  /// The path, or `(standard input)`; how messages and plans name this input.
  package let name: String
  /// Sees the unpacked content as it is read, for digests and copies.
  package var onRead: ((UnsafeRawBufferPointer) throws(StreamError) -> Void)?
  private let descriptor: Int32
  private let ownsDescriptor: Bool
  private var head: [UInt8] = []
  private var headOffset = 0
  private var decompressor: Decompressor?

  /// Opens `path`; `-` is standard input.
  ///
  /// - Throws: ``StreamError/cannotOpen(path:errno:)`` or ``StreamError/isDirectory(path:)``.
  package init(path: String) throws(StreamError) {
    if path == "-" {
      name = InputSource.standardInputName
      descriptor = STDIN_FILENO
      ownsDescriptor = false
    } else {
      name = path
      descriptor = open(path, O_RDONLY | O_CLOEXEC)
      ownsDescriptor = true
      guard descriptor >= 0 else { throw .cannotOpen(path: path, errno: errno) }
      var status = stat()
      if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
        throw .isDirectory(path: path)
      }
    }
    try readHead()
    if Decompressor.recognises(head) {
      decompressor = try Decompressor(source: self)
    }
  }

  package static let standardInputName = "(standard input)"

  deinit {
    if ownsDescriptor && descriptor >= 0 { close(descriptor) }
  }

  /// Reads up to `buffer.count` bytes of unpacked content.
  ///
  /// - Returns: the number of bytes read; 0 at the end.
  package func read(into buffer: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int {
    let count =
      if let decompressor { try decompressor.read(into: buffer) } else {
        try readStored(into: buffer)
      }
    if let onRead, count > 0 {
      try onRead(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
    return count
  }

  /// The whole content. For small inputs such as configuration files.
  package func readAll() throws(StreamError) -> [UInt8] {
    var all: [UInt8] = []
    let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    defer { chunk.deallocate() }
    while true {
      let count = try read(into: chunk)
      if count == 0 { return all }
      all.append(contentsOf: UnsafeRawBufferPointer(rebasing: chunk[..<count]))
    }
  }

  /// The bytes as they are stored, before any unpacking.
  func readStored(into buffer: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int {
    if headOffset < head.count {
      let count = min(buffer.count, head.count - headOffset)
      head.withUnsafeBytes { buffer.copyMemory(from: .init(rebasing: $0[headOffset..<headOffset + count])) }
      headOffset += count
      return count
    }
    return try readDescriptor(into: buffer)
  }

  private func readHead() throws(StreamError) {
    let wanted = Decompressor.magicBytes
    let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: wanted, alignment: 1)
    defer { chunk.deallocate() }
    while head.count < wanted {
      let rest = UnsafeMutableRawBufferPointer(rebasing: chunk[..<(wanted - head.count)])
      let count = try readDescriptor(into: rest)
      if count == 0 { break }
      head.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest[..<count]))
    }
  }

  private func readDescriptor(
    into buffer: UnsafeMutableRawBufferPointer
  ) throws(StreamError) -> Int {
    guard let base = buffer.baseAddress, buffer.count > 0 else { return 0 }
    while true {
      let count = Glibc.read(descriptor, base, buffer.count)
      if count >= 0 { return count }
      if errno != EINTR { throw .readFailed(path: name, errno: errno) }
    }
  }
}
