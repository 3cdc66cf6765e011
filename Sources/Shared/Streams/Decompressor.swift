// SPDX-License-Identifier: Apache-2.0
internal import CArchive

/// Unpacks one compressed stream through libarchive's raw format.
final class Decompressor {
  static let magicBytes = 6
  private static let bufferBytes = 1 << 17

  private static let magics: [[UInt8]] = [
    [0x1f, 0x8b],  // gzip
    [0x42, 0x5a, 0x68],  // bzip2
    [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],  // xz
    [0x28, 0xb5, 0x2f, 0xfd],  // zstd
  ]

  static func recognises(_ head: [UInt8]) -> Bool {
    magics.contains { head.starts(with: $0) }
  }

  /// What libarchive's callback reads from; it outlives the archive handle.
  private final class Context {
    unowned let source: InputSource
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferBytes, alignment: 16)
    var failure: StreamError?
    init(source: InputSource) { self.source = source }
    deinit { buffer.deallocate() }
  }

  private let context: Context
  private let name: String
  private let archive: OpaquePointer
  private var atEnd = false

  init(source: InputSource) throws(StreamError) {
    name = source.name
    context = Context(source: source)
    guard let archive = archive_read_new() else {
      throw .damagedCompression(path: source.name, reason: "libarchive could not start")
    }
    self.archive = archive
    archive_read_support_filter_gzip(archive)
    archive_read_support_filter_bzip2(archive)
    archive_read_support_filter_xz(archive)
    archive_read_support_filter_zstd(archive)
    archive_read_support_format_raw(archive)
    archive_read_support_format_empty(archive)
    let status = archive_read_open(
      archive, Unmanaged.passUnretained(context).toOpaque(), nil,
      { _, opaque, block in
        guard let opaque else { return -1 }
        let context = Unmanaged<Context>.fromOpaque(opaque).takeUnretainedValue()
        do {
          let count = try context.source.readStored(into: context.buffer)
          block?.pointee = UnsafeRawPointer(context.buffer.baseAddress)
          return count
        } catch {
          context.failure = error as? StreamError
          return -1
        }
      }, nil)
    guard status == ARCHIVE_OK else { throw failure() }
    var entry: OpaquePointer?
    switch archive_read_next_header(archive, &entry) {
    case ARCHIVE_OK: break
    case ARCHIVE_EOF: atEnd = true
    default: throw failure()
    }
  }

  deinit { archive_read_free(archive) }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int {
    if atEnd || buffer.isEmpty { return 0 }
    let count = archive_read_data(archive, buffer.baseAddress, buffer.count)
    if count < 0 { throw failure() }
    if count == 0 { atEnd = true }
    return count
  }

  private func failure() -> StreamError {
    if let failure = context.failure { return failure }
    let reason = archive_error_string(archive).map { String(cString: $0) } ?? "unknown format"
    return .damagedCompression(path: name, reason: reason)
  }
}
