// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A file, standard input, or a part of one, as a run of bytes; gzip, bzip2, xz and zstd are recognised
/// by content and unpacked on the way (members, streams and frames in a row too). Truncated or damaged
/// data are an error, never an end.
package final class InputSource {
  /// The path, or `(standard input)`; how messages and plans name this input.
  package let name: String
  /// Sees the unpacked content as it is read, for digests and copies.
  package var onRead: ((UnsafeRawBufferPointer) throws(StreamError) -> Void)?
  /// Set if the content is made of another input's records.
  package private(set) var conversion: (any LineConversion)?
  private let readBytes: (UnsafeMutableRawBufferPointer) throws(StreamError) -> Int
  private let descriptor: Int32
  private var decompressor: (any Decompressor)?
  /// Unpacked bytes that were looked at but not read yet.
  private var lookahead: [UInt8] = []
  private var lookaheadOffset = 0

  /// Opens `path`; `-` is standard input.
  ///
  /// - Throws: ``StreamError/cannotOpen(path:errno:)`` or ``StreamError/isDirectory(path:)``.
  package convenience init(path: String) throws(StreamError) {
    if path == "-" {
      try self.init(name: InputSource.standardInputName, descriptor: STDIN_FILENO, owns: false)
      return
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .cannotOpen(path: path, errno: errno) }
    var status = stat()
    if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      close(descriptor)
      throw .isDirectory(path: path)
    }
    try self.init(name: path, descriptor: descriptor, owns: true)
  }

  private init(name: String, descriptor: Int32, owns: Bool) throws(StreamError) {
    self.name = name
    self.descriptor = owns ? descriptor : -1
    readBytes = { (buffer) throws(StreamError) in
      try InputSource.read(descriptor, into: buffer, name: name)
    }
    try start()
  }

  /// An input that `reading` gives, such as a file in an archive.
  ///
  /// - Parameter reading: up to the buffer's size of bytes, and their number; 0 at the end.
  package init(
    name: String,
    reading: @escaping (UnsafeMutableRawBufferPointer) throws(StreamError) -> Int
  ) throws(StreamError) {
    self.name = name
    descriptor = -1
    readBytes = reading
    try start()
  }

  /// An input that ``LineConversion`` gives, taken as it is; nothing is read of it yet.
  package init(
    name: String, conversion: any LineConversion,
    reading: @escaping (UnsafeMutableRawBufferPointer) throws(StreamError) -> Int
  ) {
    self.name = name
    self.conversion = conversion
    descriptor = -1
    readBytes = reading
  }

  /// An input that is in memory.
  package convenience init(name: String, content: [UInt8]) throws(StreamError) {
    var offset = 0
    try self.init(name: name) { (buffer) throws(StreamError) in
      let count = min(buffer.count, content.count - offset)
      content[offset..<offset + count].withUnsafeBytes { buffer.copyMemory(from: $0) }
      offset += count
      return count
    }
  }

  package static let standardInputName = "(standard input)"

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// Reads up to `buffer.count` bytes of unpacked content.
  ///
  /// - Returns: the number of bytes read; 0 at the end.
  package func read(into buffer: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int {
    var count = 0
    if lookaheadOffset < lookahead.count {
      count = min(buffer.count, lookahead.count - lookaheadOffset)
      lookahead.withUnsafeBytes {
        buffer.copyMemory(from: .init(rebasing: $0[lookaheadOffset..<lookaheadOffset + count]))
      }
      lookaheadOffset += count
    } else {
      count = try readUnpacked(into: buffer)
    }
    if let onRead, count > 0 {
      try onRead(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
    return count
  }

  /// The next `count` bytes of unpacked content, or what there is before the end, which stay to be read.
  package func peek(_ count: Int) throws(StreamError) -> ArraySlice<UInt8> {
    while lookahead.count - lookaheadOffset < count {
      let chunk = UnsafeMutableRawBufferPointer.allocate(
        byteCount: count - (lookahead.count - lookaheadOffset), alignment: 16)
      defer { chunk.deallocate() }
      let found = try readUnpacked(into: chunk)
      if found == 0 { break }
      lookahead.append(contentsOf: UnsafeRawBufferPointer(rebasing: chunk[..<found]))
    }
    return lookahead[lookaheadOffset...].prefix(count)
  }

  /// The whole content. For small inputs such as configuration files.
  ///
  /// - Throws: ``StreamError/tooLarge(path:limit:)`` beyond `limit` bytes.
  package func readAll(limit: Int = .max) throws(StreamError) -> [UInt8] {
    var all: [UInt8] = []
    let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    defer { chunk.deallocate() }
    while true {
      let count = try read(into: chunk)
      if count == 0 { return all }
      all.append(contentsOf: UnsafeRawBufferPointer(rebasing: chunk[..<count]))
      if all.count > limit { throw .tooLarge(path: name, limit: limit) }
    }
  }

  /// Looks at the first bytes as they are stored, and unpacks what is packed.
  private func start() throws(StreamError) {
    let head = try peek(Compression.magicBytes)
    if Compression.isCut(head), Compression.endings.contains(where: { name.hasSuffix($0) }) {
      throw .damagedCompression(path: name, reason: "header cut off")
    }
    guard let compression = Compression(head: Array(head)) else { return }
    let stored = head
    lookahead = []
    lookaheadOffset = 0
    var offset = stored.startIndex
    let read = readBytes
    decompressor = try compression.open(
      StoredBytes(name: name) { (buffer) throws(StreamError) in
        if offset == stored.endIndex { return try read(buffer) }
        let count = min(buffer.count, stored.endIndex - offset)
        stored[offset..<offset + count].withUnsafeBytes { buffer.copyMemory(from: $0) }
        offset += count
        return count
      })
  }

  private func readUnpacked(
    into buffer: UnsafeMutableRawBufferPointer
  ) throws(StreamError) -> Int {
    if let decompressor { return try decompressor.read(into: buffer) }
    return try readBytes(buffer)
  }

  private static func read(
    _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, name: String
  ) throws(StreamError) -> Int {
    guard let base = buffer.baseAddress, buffer.count > 0 else { return 0 }
    while true {
      let count = Glibc.read(descriptor, base, buffer.count)
      if count >= 0 { return count }
      if errno != EINTR { throw .readFailed(path: name, errno: errno) }
    }
  }
}
