// SPDX-License-Identifier: Apache-2.0
internal import CArchive

/// How an output may be packed.
package enum Packing: String, CaseIterable, Sendable {
  case gzip = "gz"
  case zstd = "zst"

  /// Of file names.
  package var ending: String { ".\(rawValue)" }
}

/// Packs pieces of an output, each by itself: members of gzip (level 6), or frames of zstd (level 3,
/// with checksums), which readers take as one stream. Many outputs can share one compressor, and its
/// memory.
///
/// The packed bytes are those of the system's libz and libzstd; another version may give others.
package final class PieceCompressor {
  private let packing: Packing
  private let name: String
  private var zlib = cl_zlib_packer()
  private var zstd = cl_zstd_packer()
  private let stream = UnsafeMutablePointer<cl_zstream>.allocate(capacity: 1)
  private var context: UnsafeMutableRawPointer?
  private var isOpen = false
  private var output = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 12, alignment: 64)

  /// - Parameter name: of the output, for messages.
  /// - Throws: ``StreamError/libraryMissing(path:library:)``.
  package init(_ packing: Packing, name: String) throws(StreamError) {
    self.packing = packing
    self.name = name
    stream.initialize(to: cl_zstream())
    switch packing {
    case .gzip:
      isOpen = cl_zlib_packer_open(&zlib, stream) == 1
      guard isOpen else { throw .libraryMissing(path: name, library: "libz.so.1") }
    case .zstd:
      context = cl_zstd_packer_open(&zstd)
      guard context != nil else { throw .libraryMissing(path: name, library: "libzstd.so.1") }
    }
  }

  deinit {
    if isOpen { cl_zlib_packer_end(&zlib, stream) }
    if let context { cl_zstd_packer_end(&zstd, context) }
    stream.deallocate()
    output.deallocate()
  }

  /// One piece of at most 1 GiB, packed; valid until the next call. An empty piece makes a member or
  /// frame too: an output without any would be no packed file.
  package func pack(
    _ bytes: UnsafeRawBufferPointer
  ) throws(StreamError) -> UnsafeRawBufferPointer {
    let room =
      switch packing {
      case .gzip: cl_zlib_packer_bound(&zlib, stream, bytes.count)
      case .zstd: cl_zstd_packer_bound(&zstd, bytes.count)
      }
    if room > output.count {
      output.deallocate()
      output = .allocate(byteCount: room, alignment: 64)
    }
    let count =
      switch packing {
      case .gzip:
        cl_zlib_packer_pack(
          &zlib, stream, output.baseAddress, output.count, bytes.baseAddress, bytes.count)
      case .zstd:
        cl_zstd_packer_pack(
          &zstd, context, output.baseAddress, output.count, bytes.baseAddress, bytes.count)
      }
    guard count > 0 else { throw .writeFailed(path: name, errno: 5) }
    return UnsafeRawBufferPointer(rebasing: output[..<count])
  }
}
