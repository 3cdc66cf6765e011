// SPDX-License-Identifier: Apache-2.0
internal import CArchive
internal import Streams

/// A tar or zip archive as a stream of files, through libarchive. Nothing is ever written to disk.
///
/// What is cut off, damaged, or of another sum is an error: libarchive alone takes a tar without its end and
/// a zip without its directory for whole ones.
final class Archive {
  enum Kind { case tar, zip }

  static let ratioLimit = 200
  static let freeBytes = 64 << 20
  private static let tailBytes = (1 << 16) + 22

  /// What libarchive's callback reads from; it outlives the archive handle.
  private final class Context {
    let input: InputSource
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
    var failure: StreamError?
    /// The last bytes that were read.
    var tail: [UInt8] = []
    var count = 0

    init(_ input: InputSource) { self.input = input }
    deinit { buffer.deallocate() }

    func fill() throws(StreamError) -> Int {
      let found = try input.read(into: buffer)
      count += found
      if found >= Archive.tailBytes { tail.removeAll(keepingCapacity: true) }
      tail.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[max(0, found - Archive.tailBytes)..<found]))
      if tail.count > 2 * Archive.tailBytes { tail.removeFirst(tail.count - Archive.tailBytes) }
      return found
    }
  }

  let name: String
  private let kind: Kind
  private let context: Context
  private let handle: OpaquePointer
  private var entries = 0
  private var unpacked = 0
  /// The entry whose bytes are read; 0 when there is none.
  private var current = 0

  init(_ input: InputSource, _ kind: Kind) throws {
    name = input.name
    self.kind = kind
    context = Context(input)
    guard let handle = archive_read_new() else {
      throw CorpusError.damagedArchive(input.name, reason: "out of memory")
    }
    self.handle = handle
    switch kind {
    case .tar:
      archive_read_support_format_tar(handle)
      archive_read_set_option(handle, "tar", "hdrcharset", "UTF-8")
    case .zip:
      archive_read_support_format_zip_streamable(handle)
      archive_read_set_option(handle, "zip", "hdrcharset", "UTF-8")
    }
    let status = archive_read_open(
      handle, Unmanaged.passUnretained(context).toOpaque(), nil,
      { _, opaque, block in
        guard let opaque else { return -1 }
        let context = Unmanaged<Context>.fromOpaque(opaque).takeUnretainedValue()
        do throws(StreamError) {
          let count = try context.fill()
          block?.pointee = UnsafeRawPointer(context.buffer.baseAddress)
          return count
        } catch {
          context.failure = error
          return -1
        }
      }, nil)
    if status != ARCHIVE_OK { throw failure() }
  }

  deinit { archive_read_free(handle) }

  /// Goes to the next regular file and gives its name; nil behind the last one. Folders and links are
  /// passed over.
  ///
  /// - Throws: ``CorpusError/damagedArchive(_:reason:)``, `StreamError`.
  func nextFile() throws -> String? {
    current = 0
    while true {
      var entry: OpaquePointer?
      let status = archive_read_next_header(handle, &entry)
      if status == ARCHIVE_EOF {
        try checkEnd()
        return nil
      }
      // A warning here is about names and owners, which are not needed.
      guard status == ARCHIVE_OK || status == ARCHIVE_WARN, let entry else { throw failure() }
      entries += 1
      if archive_entry_filetype(entry) & 0o170000 != 0o100000 { continue }
      if archive_entry_hardlink(entry) != nil { continue }
      if archive_entry_is_encrypted(entry) != 0 {
        throw CorpusError.damagedArchive(name, reason: "an encrypted file")
      }
      guard let path = archive_entry_pathname_utf8(entry) ?? archive_entry_pathname(entry) else {
        throw CorpusError.damagedArchive(name, reason: "a file without a name")
      }
      current = entries
      return String(cString: path)
    }
  }

  /// The bytes of the file that ``nextFile()`` named last, unpacked if they are packed.
  func open(as path: String) throws(StreamError) -> InputSource {
    let number = current
    return try InputSource(name: path) { [self] (buffer) throws(StreamError) in
      guard number == current, let base = buffer.baseAddress, !buffer.isEmpty else { return 0 }
      let count = archive_read_data(handle, base, buffer.count)
      if count < 0 { throw streamFailure() }
      unpacked += count
      if unpacked > Self.freeBytes, unpacked / Self.ratioLimit > context.count {
        throw .expandsTooMuch(path: name, limit: Self.ratioLimit)
      }
      return count
    }
  }

  /// Reads on to the end of the input and checks that it is the end of an archive.
  private func checkEnd() throws {
    while try context.fill() > 0 {}
    let tail = context.tail
    switch kind {
    case .tar:
      guard tail.count >= 1024, tail.suffix(1024).allSatisfy({ $0 == 0 }) else {
        throw CorpusError.damagedArchive(name, reason: "its end is missing")
      }
    case .zip:
      guard let found = directoryEntries(tail), found == entries & 0xffff || found == 0xffff else {
        throw CorpusError.damagedArchive(name, reason: "its directory is missing")
      }
    }
  }

  /// How many files the end of a zip archive counts (APPNOTE 4.3.16); nil without such an end.
  private func directoryEntries(_ tail: [UInt8]) -> Int? {
    guard tail.count >= 22 else { return nil }
    for start in stride(from: tail.count - 22, through: 0, by: -1)
    where tail[start] == 0x50 && tail[start...].starts(with: [0x50, 0x4b, 5, 6]) {
      let comment = Int(tail[start + 20]) | Int(tail[start + 21]) << 8
      if start + 22 + comment == tail.count {
        return Int(tail[start + 10]) | Int(tail[start + 11]) << 8
      }
    }
    return nil
  }

  private func failure() -> any Error {
    if let failure = context.failure { return failure }
    let reason = archive_error_string(handle).map { String(cString: $0) }
    return CorpusError.damagedArchive(name, reason: reason ?? "unknown format")
  }

  private func streamFailure() -> StreamError {
    if let failure = context.failure { return failure }
    let reason = archive_error_string(handle).map { String(cString: $0) }
    return .damagedCompression(path: name, reason: reason ?? "damaged file in an archive")
  }
}
