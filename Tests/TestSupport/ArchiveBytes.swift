// SPDX-License-Identifier: Apache-2.0
internal import CArchive

/// Archives and compressed files for tests, made by libarchive's writers.
package enum ArchiveBytes {
  package enum Packing: String, CaseIterable, Sendable { case gzip, bzip2, xz, zstd }
  package enum Kind: Sendable { case tar, zip }

  /// An archive of `files`, with an optional packing around it.
  package static func archive(
    _ files: [(name: String, bytes: [UInt8])], _ kind: Kind, _ packing: Packing? = nil
  ) -> [UInt8] {
    write(packing, room: files.reduce(1 << 16) { $0 + 2 * $1.bytes.count + 4096 }) { handle in
      if kind == .tar { archive_write_set_format_pax_restricted(handle) } else {
        archive_write_set_format_zip(handle)
      }
    } body: { handle in
      for file in files { add(file.name, file.bytes, to: handle) }
    }
  }

  /// `bytes`, packed as one stream.
  package static func packed(_ bytes: [UInt8], _ packing: Packing) -> [UInt8] {
    write(packing, room: 2 * bytes.count + (1 << 16)) { handle in
      archive_write_set_format_raw(handle)
    } body: { handle in
      add("data", bytes, to: handle)
    }
  }

  private static func add(_ name: String, _ bytes: [UInt8], to handle: OpaquePointer) {
    let entry = archive_entry_new()
    archive_entry_set_pathname(entry, name)
    archive_entry_set_filetype(entry, 0o100000)
    archive_entry_set_perm(entry, 0o644)
    archive_entry_set_size(entry, Int64(bytes.count))
    archive_write_header(handle, entry)
    bytes.withUnsafeBytes { _ = archive_write_data(handle, $0.baseAddress, $0.count) }
    archive_entry_free(entry)
  }

  private static func write(
    _ packing: Packing?, room: Int, format: (OpaquePointer) -> Void, body: (OpaquePointer) -> Void
  ) -> [UInt8] {
    guard let handle = archive_write_new() else { return [] }
    defer { archive_write_free(handle) }
    format(handle)
    switch packing {
    case .gzip: archive_write_add_filter_gzip(handle)
    case .bzip2: archive_write_add_filter_bzip2(handle)
    case .xz: archive_write_add_filter_xz(handle)
    case .zstd: archive_write_add_filter_zstd(handle)
    case nil: break
    }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 16)
    defer { buffer.deallocate() }
    var used = 0
    archive_write_open_memory(handle, buffer.baseAddress, room, &used)
    body(handle)
    archive_write_close(handle)
    return Array(UnsafeRawBufferPointer(rebasing: buffer[..<used]))
  }
}
