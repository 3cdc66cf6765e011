// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Storage that operations need for their own duration. It grows to the largest need and is kept.
final class Scratch {
  private var start: UnsafeMutablePointer<Float>?
  private var capacity = 0
  /// The most that each kind of storage asked for, bytes.
  private(set) var demands = [Int](repeating: 0, count: WorkStorage.allCases.count)
  /// How often the storage was enlarged.
  private(set) var enlargements = 0
  private let isRehearsal: Bool

  init(isRehearsal: Bool = false) { self.isRehearsal = isRehearsal }

  /// Bytes of the storage.
  var byteCount: Int { capacity * MemoryLayout<Float>.stride }

  /// At least `count` floats, 64-byte aligned, with no particular contents. Earlier pointers of the
  /// same scratch become invalid.
  func floats(_ count: Int, for use: WorkStorage) -> UnsafeMutablePointer<Float> {
    demands[use.rawValue] = max(
      demands[use.rawValue], count * MemoryLayout<Float>.stride)
    if let start, count <= capacity { return start }
    release()
    enlargements += 1
    let bytes = (max(count, 1) * MemoryLayout<Float>.stride + (1 << 21) - 1) & ~((1 << 21) - 1)
    guard
      let mapped = mmap(
        nil, bytes, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | (isRehearsal ? MAP_NORESERVE : 0), -1, 0),
      mapped != MAP_FAILED
    else { preconditionFailure("no memory for \(bytes) bytes of scratch") }
    if !isRehearsal { madvise(mapped, bytes, MADV_HUGEPAGE) }
    capacity = bytes / MemoryLayout<Float>.stride
    let floats = mapped.bindMemory(to: Float.self, capacity: capacity)
    start = floats
    return floats
  }

  private func release() {
    if let start { munmap(start, capacity * MemoryLayout<Float>.stride) }
    start = nil
    capacity = 0
  }

  deinit { release() }
}

/// The same number of floats for each worker, apart from each other.
struct WorkerScratch {
  let start: UnsafeMutablePointer<Float>
  let stride: Int

  subscript(worker: Int) -> UnsafeMutablePointer<Float> { start + worker &* stride }
}

/// Takes consecutive pieces, each 64-byte aligned, out of one scratch.
struct ScratchCursor {
  private(set) var next: UnsafeMutablePointer<Float>

  init(_ start: UnsafeMutablePointer<Float>) { next = start }

  mutating func take(_ count: Int) -> UnsafeMutablePointer<Float> {
    defer { next += Self.padded(count) }
    return next
  }

  /// Room for `count` pairs of bfloat16 numbers.
  mutating func takeCells(_ count: Int) -> UnsafeMutablePointer<Int32> {
    UnsafeMutableRawPointer(take(count)).bindMemory(to: Int32.self, capacity: count)
  }

  /// `count` rounded up to whole cache lines.
  static func padded(_ count: Int) -> Int { (count + 15) & ~15 }
}
