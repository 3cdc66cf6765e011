// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Streams

/// A nameless temporary copy of an input that can be read only once, such as a pipe. It is gone when
/// this process is, however it ends.
final class SpoolFile {
  private let descriptor: Int32
  private let name: String

  /// - Parameter folder: where there is room for the whole unpacked input.
  init(folder: String) throws(StreamError) {
    name = "\(folder)/cl-partition.XXXXXX"
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

  /// Whether `path` names a file that can be opened again and gives the same bytes.
  static func canReopen(_ path: String) -> Bool {
    var status = stat()
    return path != "-" && stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }
}
