// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Streams

/// One open shard: lines are gathered, so that digest and file see large pieces. A packed shard has a
/// member or frame for each piece, which holds whole lines.
final class ShardFile {
  private let digest = ContentDigest()
  /// Size of the content before it is packed, as that of ``close()``'s digest.
  private(set) var bytes = 0
  private let compressor: PieceCompressor?
  private let sink: OutputSink
  private let capacity: Int
  private var buffer: UnsafeMutableRawBufferPointer?
  private var used = 0

  /// Memory of all open shards together.
  static let bufferBudget = 32 << 20

  /// - Parameters:
  ///   - openFiles: how many are open at once and share the memory.
  ///   - compressor: shared by all of them; nil writes the lines as they are.
  init(path: String, openFiles: Int, compressor: PieceCompressor? = nil) throws(StreamError) {
    self.compressor = compressor
    let largest = compressor == nil ? 1 << 18 : 1 << 20
    capacity = min(largest, max(1 << 12, Self.bufferBudget / max(1, openFiles)))
    sink = try OutputSink(path: path, bufferBytes: min(capacity, OutputSink.flushBytes))
  }

  deinit { buffer?.deallocate() }

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
    if used + line.count + 1 > capacity {
      try flush()
      if line.count + 1 > capacity {
        var whole = Array(line)
        whole.append(0x0a)
        try whole.withUnsafeBufferPointer { (whole) throws(StreamError) in
          try pass(UnsafeRawBufferPointer(whole))
        }
        return
      }
    }
    let buffer = self.buffer ?? .allocate(byteCount: capacity, alignment: 64)
    self.buffer = buffer
    if let from = line.baseAddress, let to = buffer.baseAddress {
      memcpy(to + used, from, line.count)
    }
    buffer[used + line.count] = 0x0a
    used += line.count + 1
  }

  private func flush() throws(StreamError) {
    guard let buffer, used > 0 else { return }
    let pending = UnsafeRawBufferPointer(rebasing: buffer[..<used])
    used = 0
    try pass(pending)
  }

  private func pass(_ data: UnsafeRawBufferPointer) throws(StreamError) {
    digest.update(data)
    if let compressor { try sink.write(try compressor.pack(data)) } else { try sink.write(data) }
    bytes += data.count
  }

  /// Names the file and gives the digest of its content.
  func close() throws(StreamError) -> String {
    try flush()
    if bytes == 0, let compressor {
      try sink.write(try compressor.pack(UnsafeRawBufferPointer(start: nil, count: 0)))
    }
    try sink.close()
    return digest.hexadecimal()
  }
}
