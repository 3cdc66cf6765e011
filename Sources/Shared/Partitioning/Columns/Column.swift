// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Streams

/// One number a record, in the order of the records: in memory, or in a nameless temporary file that
/// is mapped and let go of as it is read, so that a corpus of any size takes a bounded part of memory.
///
/// Filled by ``append(_:)``; readable, and never changed again, after ``seal()``.
final class Column<Value: BitwiseCopyable>: @unchecked Sendable {
  private(set) var count = 0
  /// Bytes in memory.
  var memory: Int { isSealed && file != nil ? 0 : pending.count * MemoryLayout<Value>.stride }
  private var pending: UnsafeMutableBufferPointer<Value>
  private var used = 0
  private var file: SpoolFile?
  private var mapping: UnsafeMutableRawPointer?
  private var base: UnsafePointer<Value>?
  private var isSealed = false

  private static var firstCapacity: Int { 1 << 10 }
  /// Values that a column in a file gathers before it writes.
  private static var writeCapacity: Int { 1 << 15 }

  init() { pending = .allocate(capacity: Self.firstCapacity) }

  deinit {
    pending.deallocate()
    if let mapping { munmap(mapping, bytes) }
  }

  private var bytes: Int { count * MemoryLayout<Value>.stride }

  func append(_ value: Value) {
    if used == pending.count {
      let larger = UnsafeMutableBufferPointer<Value>.allocate(capacity: 2 * used)
      _ = larger.moveInitialize(fromContentsOf: pending[..<used])
      pending.deallocate()
      pending = larger
    }
    pending.initializeElement(at: used, to: value)
    used += 1
    count += 1
  }

  /// Moves what is in memory to a file; does nothing while a file's next piece is small.
  ///
  /// - Parameter folder: where a temporary file may be.
  func spill(to folder: String) throws(StreamError) {
    if used == 0 || (file != nil && used < Self.writeCapacity) { return }
    if self.file == nil { self.file = try SpoolFile(folder: folder) }
    guard let file else { return }
    try file.write(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(pending)[..<usedBytes]))
    used = 0
    if pending.count > 2 * Self.writeCapacity {
      pending.deallocate()
      pending = .allocate(capacity: Self.writeCapacity)
    }
  }

  private var usedBytes: Int { used * MemoryLayout<Value>.stride }

  /// Ends the filling.
  func seal() throws(StreamError) {
    isSealed = true
    guard let file else {
      base = UnsafePointer(pending.baseAddress)
      return
    }
    try file.write(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(pending)[..<usedBytes]))
    pending.deallocate()
    pending = .allocate(capacity: 0)
    let mapping = try file.map(bytes: bytes)
    self.mapping = mapping
    base = UnsafeRawPointer(mapping).assumingMemoryBound(to: Value.self)
  }

  /// The value of a record.
  subscript(record: Int) -> Value {
    guard let base, record < count else {
      preconditionFailure("a sealed column has no such record")
    }
    return base[record]
  }

  /// Lets go of the memory that reading a file has taken; the values stay readable.
  func release() {
    if let mapping { madvise(mapping, bytes, MADV_DONTNEED) }
  }
}
