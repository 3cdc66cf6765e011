// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Streams

/// Which of the asked names and dotted paths a key belongs to. Plain memory: this is looked up for
/// every key of every record, and counting references would take longer than comparing.
final class FieldNameTable {
  /// A name, or a part of a path.
  private struct Entry {
    /// The first eight bytes or fewer, the first one lowest.
    let head: UInt64
    /// In ``bytes``.
    let offset: Int
    let count: Int
    /// The bit of the path that it belongs to.
    let bit: UInt64
    /// It is the end of the path.
    let isEnd: Bool
  }
  private let entries: UnsafeMutableBufferPointer<Entry>
  private let bytes: UnsafeMutableBufferPointer<UInt8>
  /// The entries of depth d are `starts[d]..<starts[d + 1]`.
  private let starts: UnsafeMutableBufferPointer<Int>

  init(_ names: [String]) {
    let paths = names.map { name in
      name.split(separator: ".", omittingEmptySubsequences: false).map { Array($0.utf8) }
    }
    let depths = paths.map(\.count).max() ?? 0
    var (text, entries, starts): ([UInt8], [Entry], [Int]) = ([], [], [0])
    func add(_ name: [UInt8], _ path: Int, isEnd: Bool) {
      entries.append(
        Entry(
          head: name.withUnsafeBytes(Self.head), offset: text.count, count: name.count,
          bit: 1 << UInt64(path), isEnd: isEnd))
      text += name
    }
    for depth in 0..<depths {
      for (index, parts) in paths.enumerated() where parts.count > depth {
        // A member of the record may have the whole path for its name.
        if depth == 0 { add(Array(names[index].utf8), index, isEnd: true) }
        if depth > 0 || parts.count > 1 {
          add(parts[depth], index, isEnd: parts.count == depth + 1)
        }
      }
      starts.append(entries.count)
    }
    self.entries = .allocate(capacity: entries.count)
    _ = self.entries.initialize(from: entries)
    bytes = .allocate(capacity: text.count)
    _ = bytes.initialize(from: text)
    self.starts = .allocate(capacity: starts.count)
    _ = self.starts.initialize(from: starts)
  }

  deinit {
    entries.deallocate()
    bytes.deallocate()
    starts.deallocate()
  }

  /// The paths that end at a key, and those that go on in its value.
  ///
  /// - Parameter asked: the paths that lead to the object with the key.
  func matches(
    _ key: JSONString, depth: Int, asked: UInt64
  ) -> (found: UInt64, deeper: UInt64) {
    if depth + 1 >= starts.count { return (0, 0) }
    if key.hasEscapes {
      guard let decoded = try? key.decodedBytes() else { return (0, 0) }
      return decoded.withUnsafeBytes { matches($0, depth: depth, asked: asked) }
    }
    return matches(key.raw, depth: depth, asked: asked)
  }

  private func matches(
    _ key: UnsafeRawBufferPointer, depth: Int, asked: UInt64
  ) -> (found: UInt64, deeper: UInt64) {
    let head = Self.head(key)
    var (found, deeper): (UInt64, UInt64) = (0, 0)
    for index in starts[depth]..<starts[depth + 1] {
      let entry = entries[index]
      if entry.head != head || entry.count != key.count || entry.bit & asked == 0 { continue }
      if entry.count > 8, let left = key.baseAddress, let right = bytes.baseAddress,
        memcmp(left + 8, right + entry.offset + 8, entry.count - 8) != 0
      {
        continue
      }
      if entry.isEnd { found |= entry.bit } else { deeper |= entry.bit }
    }
    return (found, deeper & ~found)
  }

  private static func head(_ name: UnsafeRawBufferPointer) -> UInt64 {
    if name.count >= 8 { return UInt64(littleEndian: name.loadUnaligned(as: UInt64.self)) }
    var head: UInt64 = 0
    for (place, byte) in name.enumerated() { head |= UInt64(byte) << UInt64(8 * place) }
    return head
  }
}
