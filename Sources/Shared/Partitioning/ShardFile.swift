// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Streams
internal import Synchronization

/// One open shard: lines are gathered, so that digest and file see large pieces, which a thread of
/// ``ShardWriters`` takes on. A packed shard has a member or frame for each piece, which holds whole lines.
final class ShardFile {
  /// Size of the content before it is packed, as that of ``close()``'s digest.
  private(set) var bytes = 0
  private let number: Int
  private let writers: ShardWriters
  private let output: Output
  private var buffer: UnsafeMutableRawBufferPointer?
  private var used = 0

  /// What only the shard's thread touches until it is closed.
  private final class Output: @unchecked Sendable {
    let digest = ContentDigest()
    let sink: OutputSink
    let compressor: PieceCompressor?
    /// The first one; any thread may look at it.
    let failure = Mutex<StreamError?>(nil)

    init(_ sink: OutputSink, _ compressor: PieceCompressor?) {
      self.sink = sink
      self.compressor = compressor
    }

    func pass(_ data: UnsafeRawBufferPointer) {
      if failure.withLock({ $0 != nil }) { return }
      digest.update(data)
      do throws(StreamError) {
        if let compressor {
          try sink.write(try compressor.pack(data))
        } else {
          try sink.write(data)
        }
      } catch {
        failure.withLock { $0 = error }
      }
    }

    func check() throws(StreamError) {
      if let failure = failure.withLock({ $0 }) { throw failure }
    }
  }

  /// - Parameter number: of the shard, by which it finds its thread.
  init(path: String, number: Int, writers: ShardWriters) throws(StreamError) {
    self.number = number
    self.writers = writers
    let sink = try OutputSink(
      path: path, bufferBytes: min(writers.capacity, OutputSink.flushBytes))
    output = Output(sink, writers.compressor(of: number))
  }

  deinit {
    // What is on its way still needs the file.
    writers.workers.finish(number)
    buffer?.deallocate()
  }

  /// Files that this process may have open at once beside a few others; asks the system for as many
  /// as it gives.
  static func openLimit() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 256 }
    if limit.rlim_cur < limit.rlim_max {
      limit.rlim_cur = limit.rlim_max
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    return max(16, Int(min(limit.rlim_cur, 1 << 16)) - 64)
  }

  /// A line without its end, which is added.
  func append(_ line: UnsafeRawBufferPointer) throws(StreamError) {
    if used + line.count + 1 > writers.capacity {
      try flush()
      if line.count + 1 > writers.capacity {
        var whole = Array(line)
        whole.append(0x0a)
        bytes += whole.count
        writers.workers.give(number) { [output, whole] in
          whole.withUnsafeBytes { output.pass($0) }
        }
        return
      }
    }
    let buffer = self.buffer ?? writers.take()
    self.buffer = buffer
    if let from = line.baseAddress, let to = buffer.baseAddress {
      memcpy(to + used, from, line.count)
    }
    buffer[used + line.count] = 0x0a
    used += line.count + 1
  }

  private struct Piece: @unchecked Sendable { let buffer: UnsafeMutableRawBufferPointer }

  private func flush() throws(StreamError) {
    try output.check()
    guard let buffer, used > 0 else { return }
    let (piece, count) = (Piece(buffer: buffer), used)
    bytes += used
    (self.buffer, used) = (nil, 0)
    writers.workers.give(number) { [output, writers] in
      output.pass(UnsafeRawBufferPointer(rebasing: piece.buffer[..<count]))
      writers.put(piece.buffer)
    }
  }

  /// Names the file and gives the digest of its content.
  func close() throws(StreamError) -> String {
    try flush()
    writers.workers.finish(number)
    try output.check()
    if bytes == 0, output.compressor != nil {
      output.pass(UnsafeRawBufferPointer(start: nil, count: 0))
      try output.check()
    }
    try output.sink.close()
    return output.digest.hexadecimal()
  }
}
