// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Streams

/// A nameless temporary file: a copy of an input that can be read only once, such as a pipe, or
/// columns that do not fit in memory. It is gone when this process is, however it ends.
final class SpoolFile: @unchecked Sendable {
  private let descriptor: Int32
  private let name: String
  /// O_TMPFILE, whose macro Swift does not import.
  private static let nameless = 0o20_000_000 | O_DIRECTORY

  /// - Parameter folder: where there is room for the content.
  init(folder: String) throws(StreamError) {
    name = "\(folder)/cl-partition.XXXXXX"
    let nameless = open(folder, Self.nameless | O_RDWR | O_CLOEXEC, 0o600)
    if nameless >= 0 {
      descriptor = nameless
      return
    }
    // File systems that know no nameless files.
    var template = Array(name.utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw .cannotCreate(path: name, errno: errno) }
    unlink(template)
  }

  deinit { close(descriptor) }

  /// A path that opens the copy from its start, as long as this object lives.
  var path: String { "/proc/self/fd/\(descriptor)" }

  func write(_ bytes: UnsafeRawBufferPointer) throws(StreamError) {
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

  /// The content in memory, to be read only; the caller unmaps it.
  ///
  /// - Parameter bytes: its size, more than 0.
  func map(bytes: Int) throws(StreamError) -> UnsafeMutableRawPointer {
    guard let mapping = mmap(nil, bytes, PROT_READ, MAP_SHARED, descriptor, 0),
      mapping != MAP_FAILED
    else { throw .readFailed(path: name, errno: errno) }
    return mapping
  }

  /// Whether `path` names a file that can be opened again and gives the same bytes.
  static func canReopen(_ path: String) -> Bool {
    var status = stat()
    return path != "-" && stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }
}
