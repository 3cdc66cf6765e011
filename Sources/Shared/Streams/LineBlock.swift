// SPDX-License-Identifier: Apache-2.0
internal import CByteScan
internal import Glibc
internal import Synchronization

/// Whole lines of an input, as they were read: what one thread hands to another.
///
/// The bytes live as long as the block and never change, so that any thread may read them.
package final class LineBlock: @unchecked Sendable {
  /// The input's name for messages.
  package let name: String
  /// Number of the first line, from 1.
  package let firstLine: Int
  /// The lines with their ends; only the input's last line may lack one.
  package let bytes: UnsafeRawBufferPointer
  private let storage: UnsafeMutableRawBufferPointer
  private let pool: BlockPool

  fileprivate init(
    name: String, firstLine: Int, storage: UnsafeMutableRawBufferPointer, range: Range<Int>,
    pool: BlockPool
  ) {
    self.name = name
    self.firstLine = firstLine
    self.storage = storage
    self.pool = pool
    bytes = UnsafeRawBufferPointer(rebasing: storage[range])
  }

  deinit { pool.put(storage) }

  /// Calls `body` for each line, in order, without its end (LF, or CR LF), with its number. Blank
  /// lines are handed over too.
  @inline(__always)
  package func forEachLine<Failure: Error>(
    _ body: (_ line: UnsafeRawBufferPointer, _ number: Int) throws(Failure) -> Void
  ) throws(Failure) {
    guard let base = bytes.baseAddress else { return }
    var (start, number) = (0, firstLine)
    while start < bytes.count {
      var stop = bytes.count
      if let found = memchr(base + start, 0x0a, bytes.count - start) {
        stop = UnsafeRawPointer(found) - base
      }
      let last = stop > start && bytes[stop - 1] == 0x0d ? stop - 1 : stop
      try body(UnsafeRawBufferPointer(rebasing: bytes[start..<last]), number)
      start = stop + 1
      number += 1
    }
  }
}

/// Cuts an input into blocks of whole lines: the cheap part of reading, done by one thread while
/// others take the lines apart (``OrderedPipeline``).
///
/// Memory is the blocks that are alive; their storage is used again.
package final class LineBlockReader {
  package static let blockBytes = 1 << 20

  private let source: InputSource
  private let limit: Int
  private let pool: BlockPool
  private var line = 1
  /// The byte order mark that was dropped at the start, if there was one.
  package private(set) var mark: [UInt8] = []
  /// The cut line at the end of the block before.
  private var rest: [UInt8] = []
  private var isAtStart = true
  private var isAtEnd = false

  /// - Parameters:
  ///   - blockBytes: how much to read at a time; a block may be longer if a line is.
  ///   - limit: longest line, in bytes.
  package init(
    _ source: InputSource, blockBytes: Int = LineBlockReader.blockBytes,
    limit: Int = LineReader.defaultLimit
  ) {
    self.source = source
    self.limit = limit
    pool = BlockPool(bytes: max(1 << 12, blockBytes))
  }

  /// The next block, never empty; nil at the end. A byte order mark of UTF-8 at the start is dropped.
  ///
  /// - Throws: ``StreamError/lineTooLong(path:line:limit:)`` and reading errors.
  package func next() throws(StreamError) -> LineBlock? {
    if isAtEnd { return nil }
    var storage = pool.take(atLeast: rest.count + 1)
    rest.withUnsafeBytes { storage.copyMemory(from: $0) }
    var (first, end) = (0, rest.count)
    rest.removeAll(keepingCapacity: true)
    do throws(StreamError) {
      while true {
        if end == storage.count { storage = pool.grow(storage, used: end) }
        let count = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: storage[end...]))
        end += count
        if isAtStart && (end >= 3 || count == 0) {
          isAtStart = false
          if storage[..<end].starts(with: LineReader.byteOrderMark) {
            first = 3
            mark = LineReader.byteOrderMark
          }
        } else if isAtStart {
          continue
        }
        if count == 0 {
          isAtEnd = true
          if end - first > limit { try checkLengths(storage, first..<end) }
          return first < end ? block(storage, first..<end) : drop(storage)
        }
        // Pipes and archives come in small pieces.
        if end < storage.count / 2 { continue }
        let stop = afterLastLine(storage, first..<end)
        if stop > first {
          rest.append(contentsOf: UnsafeRawBufferPointer(rebasing: storage[stop..<end]))
          if end - first > limit { try checkLengths(storage, first..<end) }
          return block(storage, first..<stop)
        }
        if end - first > limit { throw tooLong(storage, first..<first) }
      }
    } catch {
      pool.put(storage)
      isAtEnd = true
      throw error
    }
  }

  private func block(_ storage: UnsafeMutableRawBufferPointer, _ range: Range<Int>) -> LineBlock {
    let block = LineBlock(
      name: source.name, firstLine: line, storage: storage, range: range, pool: pool)
    line += lineEnds(storage, range)
    return block
  }

  private func drop(_ storage: UnsafeMutableRawBufferPointer) -> LineBlock? {
    pool.put(storage)
    return nil
  }

  /// - Throws: ``StreamError/lineTooLong(path:line:limit:)`` for the first line beyond the limit.
  private func checkLengths(
    _ storage: UnsafeMutableRawBufferPointer, _ range: Range<Int>
  ) throws(StreamError) {
    var start = range.lowerBound
    for index in range where storage[index] == 0x0a {
      if index - start > limit { throw tooLong(storage, range.lowerBound..<start) }
      start = index + 1
    }
    if range.upperBound - start > limit { throw tooLong(storage, range.lowerBound..<start) }
  }

  private func tooLong(
    _ storage: UnsafeMutableRawBufferPointer, _ before: Range<Int>
  ) -> StreamError {
    .lineTooLong(path: source.name, line: line + lineEnds(storage, before), limit: limit)
  }

  /// Offset behind the last line end; the range's start if there is none.
  private func afterLastLine(
    _ storage: UnsafeMutableRawBufferPointer, _ range: Range<Int>
  ) -> Int {
    guard let base = storage.baseAddress else { return range.lowerBound }
    return range.lowerBound
      + cl_after_last(
        (UnsafeRawPointer(base) + range.lowerBound).assumingMemoryBound(to: UInt8.self),
        range.count, 0x0a)
  }

  private func lineEnds(_ storage: UnsafeMutableRawBufferPointer, _ range: Range<Int>) -> Int {
    guard let base = storage.baseAddress, !range.isEmpty else { return 0 }
    return cl_count_byte(
      (UnsafeRawPointer(base) + range.lowerBound).assumingMemoryBound(to: UInt8.self), range.count,
      0x0a)
  }
}

/// Storage of blocks that are gone, for those to come.
private final class BlockPool: Sendable {
  private struct Storage: @unchecked Sendable { let buffer: UnsafeMutableRawBufferPointer }
  private let bytes: Int
  private let free = Mutex<[Storage]>([])

  init(bytes: Int) { self.bytes = bytes }

  deinit { free.withLock { for storage in $0 { storage.buffer.deallocate() } } }

  func take(atLeast count: Int) -> UnsafeMutableRawBufferPointer {
    if count <= bytes, let storage = free.withLock({ $0.popLast() }) { return storage.buffer }
    return .allocate(byteCount: max(bytes, 2 * count), alignment: 64)
  }

  func put(_ buffer: UnsafeMutableRawBufferPointer) {
    // Long lines are rare; what they needed is not kept.
    if buffer.count == bytes {
      let storage = Storage(buffer: buffer)
      free.withLock { $0.append(storage) }
    } else {
      buffer.deallocate()
    }
  }

  func grow(_ buffer: UnsafeMutableRawBufferPointer, used: Int) -> UnsafeMutableRawBufferPointer {
    let larger = UnsafeMutableRawBufferPointer.allocate(
      byteCount: 2 * buffer.count, alignment: 64)
    larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[..<used]))
    put(buffer)
    return larger
  }
}
