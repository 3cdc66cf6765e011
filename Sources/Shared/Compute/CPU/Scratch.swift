// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Storage that operations need for their own duration. It grows to the largest need and is kept.
final class Scratch {
  private var start: UnsafeMutablePointer<Float>?
  private var capacity = 0

  /// At least `count` floats, 64-byte aligned, with no particular contents. Earlier pointers of the
  /// same scratch become invalid.
  func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
    if let start, count <= capacity { return start }
    release()
    let bytes = (max(count, 1) * MemoryLayout<Float>.stride + (1 << 21) - 1) & ~((1 << 21) - 1)
    guard
      let mapped = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      mapped != MAP_FAILED
    else { preconditionFailure("no memory for \(bytes) bytes of scratch") }
    madvise(mapped, bytes, MADV_HUGEPAGE)
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

  /// `count` rounded up to whole cache lines.
  static func padded(_ count: Int) -> Int { (count + 15) & ~15 }
}
