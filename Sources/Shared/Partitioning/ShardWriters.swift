// SPDX-License-Identifier: Apache-2.0
internal import Streams
internal import Synchronization

/// What the open shards share: threads that take their digests, pack and write them, and the memory
/// of what is on its way.
final class ShardWriters: Sendable {
  let workers: SerialWorkers
  let packing: Packing?
  private let name: String

  /// A thread's own; only that thread touches it.
  private struct Compressor: @unchecked Sendable { let compressor: PieceCompressor }
  private let compressors: [Compressor]

  private struct Buffer: @unchecked Sendable { let buffer: UnsafeMutableRawBufferPointer }
  private let free = Mutex<[Buffer]>([])
  /// Bytes of a buffer.
  let capacity: Int

  /// Memory of all open shards together.
  private static let bufferBudget = 32 << 20

  /// - Parameters:
  ///   - name: of the folder, for messages.
  ///   - openFiles: how many are open at once and share the memory.
  ///   - threads: 1 writes at once.
  init(packing: Packing?, name: String, openFiles: Int, threads: Int) throws(StreamError) {
    self.packing = packing
    self.name = name
    workers = SerialWorkers(threads: threads <= 1 ? 0 : min(threads, openFiles))
    var compressors: [Compressor] = []
    if let packing {
      for _ in 0..<max(1, workers.count) {
        compressors.append(Compressor(compressor: try PieceCompressor(packing, name: name)))
      }
    }
    self.compressors = compressors
    let largest = packing == nil ? 1 << 18 : 1 << 20
    capacity = min(largest, max(1 << 12, Self.bufferBudget / max(1, openFiles)))
  }

  deinit { free.withLock { for one in $0 { one.buffer.deallocate() } } }

  /// The compressor of the thread that does the work of a shard.
  func compressor(of shard: Int) -> PieceCompressor? {
    compressors.isEmpty ? nil : compressors[workers.lane(of: shard)].compressor
  }

  func take() -> UnsafeMutableRawBufferPointer {
    free.withLock { $0.popLast()?.buffer } ?? .allocate(byteCount: capacity, alignment: 64)
  }

  func put(_ buffer: UnsafeMutableRawBufferPointer) {
    let one = Buffer(buffer: buffer)
    free.withLock { $0.append(one) }
  }
}
