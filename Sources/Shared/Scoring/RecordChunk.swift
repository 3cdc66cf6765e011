// SPDX-License-Identifier: Apache-2.0
package import Records
internal import Streams

/// Consecutive records of a corpus, held while they are scored.
package final class RecordChunk: @unchecked Sendable {
  /// The bytes of all lines; each grows by whole chunks, never while records are scored.
  private var storage: UnsafeMutableRawBufferPointer
  private var used = 0
  private var lines: [(location: RecordLocation, range: Range<Int>)] = []
  private let byteLimit: Int
  private let recordLimit: Int

  /// - Parameters:
  ///   - byteLimit, recordLimit: the chunk is full when it has reached one of them; a single record
  ///     may be longer.
  package init(byteLimit: Int = 1 << 22, recordLimit: Int = 8192) {
    self.byteLimit = byteLimit
    self.recordLimit = recordLimit
    storage = .allocate(byteCount: 1 << 16, alignment: 64)
  }

  deinit { storage.deallocate() }

  package var count: Int { lines.count }
  package var isEmpty: Bool { lines.isEmpty }
  package var isFull: Bool { used >= byteLimit || lines.count >= recordLimit }

  /// Forgets all records and keeps the storage.
  package func removeAll() {
    lines.removeAll(keepingCapacity: true)
    used = 0
  }

  package func append(_ bytes: UnsafeRawBufferPointer, at location: RecordLocation) {
    if used + bytes.count > storage.count {
      let larger = UnsafeMutableRawBufferPointer.allocate(
        byteCount: max(2 * storage.count, used + bytes.count), alignment: 64)
      larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[..<used]))
      storage.deallocate()
      storage = larger
    }
    UnsafeMutableRawBufferPointer(rebasing: storage[used...]).copyMemory(from: bytes)
    lines.append((location, used..<used + bytes.count))
    used += bytes.count
  }

  /// The fields of a record; valid until the chunk changes.
  func fields(_ index: Int) throws(RecordError) -> RecordFields {
    let line = lines[index]
    return try RecordFields(
      UnsafeRawBufferPointer(rebasing: storage[line.range]), at: line.location)
  }
}
