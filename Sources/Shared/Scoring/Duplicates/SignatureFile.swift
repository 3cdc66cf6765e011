// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Streams

/// Signatures of equal length by number, on disk: a file without a name that goes away with the process.
final class SignatureFile {
  private let width: Int
  private let descriptor: Int32
  private let folder: String
  private var buffer: [UInt32] = []
  private(set) var count = 0
  private var mapped: UnsafeMutableRawPointer?
  private static let bufferValues = 1 << 18

  /// - Parameter width: values of a signature.
  init(width: Int) throws(StreamError) {
    self.width = width
    folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(folder)/cl-signatures.XXXXXX".utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw .cannotCreate(path: folder, errno: errno) }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    unlink(template)
  }

  deinit {
    if let mapped { munmap(mapped, bytes) }
    close(descriptor)
  }

  private var bytes: Int { 4 * width * count }

  func append(_ signature: [UInt32]) throws(StreamError) {
    buffer += signature
    count += 1
    if buffer.count >= Self.bufferValues { try flush() }
  }

  private func flush() throws(StreamError) {
    var done = 0
    let total = 4 * buffer.count
    while done < total {
      let written = buffer.withUnsafeBytes {
        write(descriptor, $0.baseAddress.map { $0 + done }, total - done)
      }
      if written < 0, errno == EINTR { continue }
      if written < 0 { throw .writeFailed(path: folder, errno: errno) }
      done += written
    }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Ends the writing: signatures can be read from then on.
  func finish() throws(StreamError) {
    try flush()
    if count == 0 { return }
    let address = mmap(nil, bytes, PROT_READ, MAP_SHARED, descriptor, 0)
    guard let address, address != MAP_FAILED else {
      throw .readFailed(path: folder, errno: errno)
    }
    mapped = address
  }

  /// Signature `index` of those before ``finish()``.
  subscript(index: Int) -> UnsafeBufferPointer<UInt32> {
    precondition(index < count && mapped != nil, "no such signature")
    let start = mapped?.assumingMemoryBound(to: UInt32.self)
    return UnsafeBufferPointer(start: start.map { $0 + index * width }, count: width)
  }
}
