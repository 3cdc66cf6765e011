// SPDX-License-Identifier: Apache-2.0
internal import CArchive

/// Unpacks one compressed stream. Everything that is missing or damaged is an error, never an end.
protocol Decompressor: AnyObject {
  /// Up to `buffer.count` unpacked bytes; 0 at the end.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int
}

/// The compressions there are, by their first bytes.
enum Compression: CaseIterable {
  case gzip, bzip2, xz, zstd

  static let magicBytes = 6
  static let endings = [".gz", ".tgz", ".bz2", ".xz", ".zst", ".zstd"]

  private var magic: [UInt8] {
    switch self {
    case .gzip: [0x1f, 0x8b]
    case .bzip2: [0x42, 0x5a, 0x68]
    case .xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]
    case .zstd: [0x28, 0xb5, 0x2f, 0xfd]
    }
  }

  init?(head: [UInt8]) {
    guard let found = Compression.allCases.first(where: { head.starts(with: $0.magic) }) else {
      // A skippable frame may stand before the first frame of zstd (RFC 8878, 3.1.2).
      if head.count >= 4, head[0] & 0xf0 == 0x50, head[1...3] == [0x2a, 0x4d, 0x18] {
        self = .zstd
        return
      }
      return nil
    }
    self = found
  }

  /// Whether a file of these first bytes, and no others, may be the beginning of a packed one.
  static func isCut(_ head: ArraySlice<UInt8>) -> Bool {
    allCases.contains { head.count < $0.magic.count && $0.magic.starts(with: head) }
  }

  func open(_ stored: StoredBytes) throws(StreamError) -> any Decompressor {
    switch self {
    case .gzip: try GzipDecompressor(stored)
    case .zstd: try ZstdDecompressor(stored)
    case .bzip2, .xz: try ArchiveDecompressor(stored)
    }
  }
}

/// Compressed bytes on their way to a decompressor, and what they came to.
///
/// Refuses input that unpacks to far more than text ever does: more than ``ratioLimit`` times its size,
/// once ``freeBytes`` are out.
final class StoredBytes {
  static let ratioLimit = 200
  static let freeBytes = 64 << 20

  let name: String
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
  private let source: (UnsafeMutableRawBufferPointer) throws(StreamError) -> Int
  private var packed = 0
  private var unpacked = 0

  init(
    name: String,
    source: @escaping (UnsafeMutableRawBufferPointer) throws(StreamError) -> Int
  ) {
    self.name = name
    self.source = source
  }

  deinit { buffer.deallocate() }

  /// Fills ``buffer``; 0 at the end.
  func fill() throws(StreamError) -> Int {
    let count = try source(buffer)
    packed += count
    return count
  }

  /// - Throws: ``StreamError/expandsTooMuch(path:limit:)``.
  func countUnpacked(_ count: Int) throws(StreamError) {
    unpacked += count
    if unpacked > Self.freeBytes, unpacked / Self.ratioLimit > packed {
      throw .expandsTooMuch(path: name, limit: Self.ratioLimit)
    }
  }

  func damaged(_ reason: String) -> StreamError { .damagedCompression(path: name, reason: reason) }
}

/// bzip2 and xz through libarchive's raw format (streams in a row too; both check their sums).
final class ArchiveDecompressor: Decompressor {
  /// What libarchive's callback reads from; it outlives the archive handle.
  private final class Context {
    let stored: StoredBytes
    var failure: StreamError?
    init(_ stored: StoredBytes) { self.stored = stored }
  }

  private let context: Context
  private let archive: OpaquePointer
  private var atEnd = false

  init(_ stored: StoredBytes) throws(StreamError) {
    context = Context(stored)
    guard let archive = archive_read_new() else { throw stored.damaged("out of memory") }
    self.archive = archive
    archive_read_support_filter_bzip2(archive)
    archive_read_support_filter_xz(archive)
    archive_read_support_format_raw(archive)
    let status = archive_read_open(
      archive, Unmanaged.passUnretained(context).toOpaque(), nil,
      { _, opaque, block in
        guard let opaque else { return -1 }
        let context = Unmanaged<Context>.fromOpaque(opaque).takeUnretainedValue()
        do throws(StreamError) {
          let count = try context.stored.fill()
          block?.pointee = UnsafeRawPointer(context.stored.buffer.baseAddress)
          return count
        } catch {
          context.failure = error
          return -1
        }
      }, nil)
    guard status == ARCHIVE_OK else { throw failure() }
    // Without a filter the header was cut, and libarchive takes the bytes for plain ones.
    guard archive_filter_count(archive) > 1 else { throw stored.damaged("header cut off") }
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
    try context.stored.countUnpacked(count)
    return count
  }

  private func failure() -> StreamError {
    if let failure = context.failure { return failure }
    let reason = archive_error_string(archive).map { String(cString: $0) }
    return context.stored.damaged(reason ?? "unknown format")
  }
}
