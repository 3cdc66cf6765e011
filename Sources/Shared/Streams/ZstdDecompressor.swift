// SPDX-License-Identifier: Apache-2.0
internal import CArchive

/// Zstandard (RFC 8878) by libzstd: frames in a row, checksums checked where there are some, windows
/// of up to 2 GiB (`zstd --long=31`), which is the memory that such a frame needs.
final class ZstdDecompressor: Decompressor {
  private static let windowLog: Int32 = 31

  private let stored: StoredBytes
  private var library = cl_zstd()
  private var context: UnsafeMutableRawPointer?
  private var input = cl_zstd_in()
  /// Between two frames, where the input may end.
  private var isBetween = true
  /// The decoder has more to give before it needs input.
  private var mayHold = false
  private var atEnd = false

  init(_ stored: StoredBytes) throws(StreamError) {
    self.stored = stored
    if cl_zstd_open(&library) == 1 { context = cl_zstd_start(&library, Self.windowLog) }
    guard context != nil else {
      throw .libraryMissing(path: stored.name, library: "libzstd.so.1")
    }
  }

  deinit { if let context { cl_zstd_end(&library, context) } }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int {
    guard !atEnd, let context, !buffer.isEmpty else { return 0 }
    while true {
      if input.pos == input.size && !mayHold {
        input.size = try stored.fill()
        input.src = UnsafeRawPointer(stored.buffer.baseAddress)
        input.pos = 0
        if input.size == 0 {
          guard isBetween else { throw stored.damaged("truncated zstd data") }
          atEnd = true
          return 0
        }
      }
      var output = cl_zstd_out(dst: buffer.baseAddress, size: buffer.count, pos: 0)
      var error: UnsafePointer<CChar>?
      let status = cl_zstd_step(&library, context, &output, &input, &error)
      if let error { throw stored.damaged(String(cString: error)) }
      isBetween = status == 0
      mayHold = output.pos == output.size && !isBetween
      if output.pos > 0 {
        try stored.countUnpacked(output.pos)
        return output.pos
      }
    }
  }
}
