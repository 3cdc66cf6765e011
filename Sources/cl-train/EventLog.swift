// SPDX-License-Identifier: Apache-2.0
import Streams
import Training

/// The file of `--log`, and what stands in it so far, which a checkpoint keeps.
final class EventLog {
  private(set) var lines: [UInt8] = []
  private let path: String?
  private var sink: OutputSink?

  /// - Parameter path: nil keeps the lines in memory only.
  init(path: String?) { self.path = path }

  func write(_ event: TrainingEvent) throws { try append(event.line) }

  /// Begins with the lines of an interrupted run.
  func restore(_ earlier: [UInt8]) throws { try append(earlier) }

  func close() throws { try sink?.close() }

  private func append(_ bytes: [UInt8]) throws {
    lines += bytes
    guard let path else { return }
    let sink = try self.sink ?? OutputSink(path: path)
    self.sink = sink
    try sink.write(bytes)
    try sink.flush()
  }
}

/// Finds out early that an output cannot be created, before hours of work.
enum OutputCheck {
  static func canCreate(_ path: String) throws {
    if path == "-" || FileSystem.exists(path) { return }
    if path.hasSuffix("/") { return try FileSystem.createDirectory(path) }
    // Dropped without closing, it leaves nothing behind.
    _ = try OutputSink(path: path)
  }
}
