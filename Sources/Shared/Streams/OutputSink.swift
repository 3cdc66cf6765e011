// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Buffered output to standard output or to a file that appears whole or not at all.
///
/// A regular file is written without a name (or, where the file system cannot, under a temporary
/// one), synced, and named by ``close()``; what is dropped without closing, or killed, leaves nothing
/// behind. Pipes, devices and standard output are written directly.
package final class OutputSink {
  /// The path, or `(standard output)`.
  package let name: String
  private let descriptor: Int32
  private let temporaryPath: String?
  private let finalPath: String
  private var buffer: [UInt8] = []
  private var isClosed = false
  /// The file has no name yet: it goes away with the process.
  private var isNameless = false
  /// O_TMPFILE, whose macro Swift does not import.
  private static let nameless = 0o20_000_000 | O_DIRECTORY
  package static let flushBytes = 1 << 16
  private let bufferBytes: Int

  package static let standardOutputName = "(standard output)"

  /// Opens `path` for writing; `-` is standard output.
  ///
  /// - Parameter bufferBytes: how much is gathered before it is written; less where many are open.
  package init(path: String, bufferBytes: Int = flushBytes) throws(StreamError) {
    self.bufferBytes = bufferBytes
    finalPath = path
    if path == "-" {
      name = OutputSink.standardOutputName
      descriptor = STDOUT_FILENO
      temporaryPath = nil
      return
    }
    name = path
    var status = stat()
    let exists = stat(path, &status) == 0
    if exists, status.st_mode & S_IFMT == S_IFDIR {
      throw .cannotCreate(path: path, errno: EISDIR)
    }
    if exists, status.st_mode & S_IFMT != S_IFREG {
      temporaryPath = nil
      descriptor = open(path, O_WRONLY | O_CLOEXEC)
    } else {
      let temporary = "\(path).\(getpid()).tmp"
      temporaryPath = temporary
      let nameless = open(
        OutputSink.folder(of: path), OutputSink.nameless | O_WRONLY | O_CLOEXEC, 0o666)
      isNameless = nameless >= 0
      descriptor =
        isNameless
        ? nameless : open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    }
    guard descriptor >= 0 else { throw .cannotCreate(path: path, errno: errno) }
    if let temporaryPath, !isNameless { TemporaryFiles.shared.insert(temporaryPath) }
    buffer.reserveCapacity(bufferBytes + bufferBytes / 16)
  }

  deinit {
    if isClosed || name == OutputSink.standardOutputName { return }
    if descriptor >= 0 { Glibc.close(descriptor) }
    discardTemporary()
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws(StreamError) {
    if bytes.count >= bufferBytes {
      try flush()
      try writeAll(bytes)
      return
    }
    buffer.append(contentsOf: bytes)
    if buffer.count >= bufferBytes { try flush() }
  }

  package func write(_ bytes: [UInt8]) throws(StreamError) {
    try bytes.withUnsafeBufferPointer { (values) throws(StreamError) in
      try write(UnsafeRawBufferPointer(values))
    }
  }

  package func write(_ text: String) throws(StreamError) { try write(Array(text.utf8)) }

  /// Hands everything buffered to the system; readers of a pipe see it.
  package func flush() throws(StreamError) {
    if buffer.isEmpty { return }
    let pending = buffer
    buffer.removeAll(keepingCapacity: true)
    try pending.withUnsafeBufferPointer { (values) throws(StreamError) in
      try writeAll(UnsafeRawBufferPointer(values))
    }
  }

  /// Finishes the output: flushes, syncs, and gives a file its name. An error here means that the
  /// output does not exist (or, on a pipe, is cut).
  package func close() throws(StreamError) {
    if isClosed { return }
    try flush()
    guard let temporaryPath else {
      isClosed = true
      if Glibc.close(descriptor) != 0, errno != EINVAL, errno != EBADF {
        throw .writeFailed(path: name, errno: errno)
      }
      return
    }
    if fsync(descriptor) != 0, errno != EINVAL, errno != EROFS {
      throw .writeFailed(path: name, errno: errno)
    }
    try giveTemporaryName(temporaryPath)
    isClosed = true
    if Glibc.close(descriptor) != 0 {
      let code = errno
      discardTemporary()
      throw .writeFailed(path: name, errno: code)
    }
    if rename(temporaryPath, finalPath) != 0 {
      let code = errno
      discardTemporary()
      throw .writeFailed(path: name, errno: code)
    }
    TemporaryFiles.shared.remove(temporaryPath)
    OutputSink.syncFolder(of: finalPath)
  }

  private func writeAll(_ bytes: UnsafeRawBufferPointer) throws(StreamError) {
    guard let base = bytes.baseAddress else { return }
    var offset = 0
    while offset < bytes.count {
      let count = Glibc.write(descriptor, base + offset, bytes.count - offset)
      if count < 0 {
        if errno == EINTR { continue }
        throw .writeFailed(path: name, errno: errno)
      }
      offset += count
    }
  }

  /// A nameless file gets its temporary name, for the rename that replaces an older output.
  private func giveTemporaryName(_ temporary: String) throws(StreamError) {
    guard isNameless else { return }
    unlink(temporary)
    guard
      linkat(
        AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) == 0
    else { throw .writeFailed(path: name, errno: errno) }
    TemporaryFiles.shared.insert(temporary)
    isNameless = false
  }

  private func discardTemporary() {
    guard let temporaryPath, !isNameless else { return }
    unlink(temporaryPath)
    TemporaryFiles.shared.remove(temporaryPath)
  }

  private static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func syncFolder(of path: String) {
    let descriptor = open(folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    Glibc.close(descriptor)
  }
}
