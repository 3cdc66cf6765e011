// SPDX-License-Identifier: Apache-2.0

/// SHA-256 over named tensors: names, types, shapes, and all or the edges of their bytes.
///
/// Each tensor adds the line `<bytes in name>:<name> <type> [<extents>] <bytes>` with a line feed,
/// then its bytes. Tensors are given in the byte order of their names. Written down in
/// `Documentation/formats/adapters.md`.
package final class TensorSetDigest {
  package enum Part: Sendable {
    /// All bytes: adapters.
    case whole
    /// The first and the last 4 KiB of each tensor: base models, so that opening stays instant.
    case edges
  }
  package static let edgeBytes = 4096
  private let digest = ContentDigest()
  private let part: Part

  package init(part: Part) { self.part = part }

  /// - Parameters:
  ///   - type: the format's own name of the element type, for example `F32` or `Q4_K`.
  ///   - shape: row-major, the slowest axis first.
  package func update(name: String, type: String, shape: [Int], bytes: UnsafeRawBufferPointer) {
    let extents = shape.map { "\($0)" }.joined(separator: ",")
    digest.update("\(name.utf8.count):\(name) \(type) [\(extents)] \(bytes.count)\n")
    let edge = TensorSetDigest.edgeBytes
    if part == .whole || bytes.count <= 2 * edge {
      digest.update(bytes)
    } else {
      digest.update(UnsafeRawBufferPointer(rebasing: bytes[..<edge]))
      digest.update(UnsafeRawBufferPointer(rebasing: bytes[(bytes.count - edge)...]))
    }
  }

  /// The digest as 64 lower-case hexadecimal digits. Call once, at the end.
  package func hexadecimal() -> String { digest.hexadecimal() }
}
