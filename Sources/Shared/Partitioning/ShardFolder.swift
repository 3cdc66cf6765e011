// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Records
package import Streams

/// The folder that a partition is written to: one file a client and split, and `plan.json`.
///
/// Each file appears whole or not at all; `plan.json` comes last and is removed first, so where it
/// stands the shards beside it are those that it describes.
package struct ShardFolder: Sendable {
  package let path: String
  package static let planName = "plan.json"
  /// Files that are open at once; more files take more readings of the input.
  static let openLimit = 256

  /// Creates the folder if it is not there.
  ///
  /// - Throws: `StreamError`, ``PartitionError/foreignShard(path:)`` if it holds shards that a
  ///   partition over these clients and parts would not replace: mixed with the new ones they would
  ///   be taken for a part of it.
  package init(_ path: String, request: PartitionRequest) throws {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    self.path = path
    try FileSystem.createDirectory(path)
    let names: [String?] =
      request.split.parts.isEmpty ? [nil] : request.split.parts.map { $0.name }
    var own: Set<String> = []
    for client in 0..<request.clients {
      for split in names {
        own.insert(Plan.fileName(client: client, clients: request.clients, split: split))
      }
    }
    for name in try FileSystem.entries(of: path)
    where Self.isShardName(name) && !own.contains(name) {
      throw PartitionError.foreignShard(path: file(name))
    }
  }

  /// Where a copy of standard input goes when no folder is written.
  package static var temporary: String { getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp" }

  private static func isShardName(_ name: String) -> Bool {
    guard name.hasPrefix("client-"), name.hasSuffix(".jsonl") else { return false }
    let digits = name.dropFirst(7).prefix { $0 != "." }
    return !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
  }

  /// Writes all shards and then the plan.
  ///
  /// - Returns: the plan with the files' sizes and digests.
  package func write(_ outcome: Plan.Outcome, from scan: RecordScan) throws -> Plan {
    var plan = outcome.plan
    unlink(planPath)
    let parts = max(1, plan.request.split.parts.count)
    let fileCount = plan.request.clients * parts
    for start in stride(from: 0, to: fileCount, by: Self.openLimit) {
      let group = start..<min(start + Self.openLimit, fileCount)
      let shards = try group.map { index in
        try Shard(path: file(plan.files[index / parts][index % parts].name))
      }
      try scan.forEachRecord { record, line, _ in
        let client = Int(outcome.clientOf[record])
        let index = client * parts + Int(outcome.partOf[record])
        if group.contains(index) { try shards[index - start].append(line) }
      }
      for (index, shard) in zip(group, shards) {
        try shard.close()
        plan.files[index / parts][index % parts].bytes = shard.bytes
        plan.files[index / parts][index % parts].sha256 = shard.digest.hexadecimal()
      }
    }
    let sink = try OutputSink(path: planPath)
    try sink.write(plan.json())
    try sink.close()
    return plan
  }

  package var planPath: String { file(Self.planName) }

  /// The path of a file in the folder.
  package func file(_ name: String) -> String { path == "/" ? "/\(name)" : "\(path)/\(name)" }

  /// One open shard file.
  private final class Shard {
    let digest = ContentDigest()
    private(set) var bytes = 0
    private let sink: OutputSink
    private static let newline: [UInt8] = [0x0a]

    init(path: String) throws(StreamError) { sink = try OutputSink(path: path) }

    func append(_ line: UnsafeRawBufferPointer) throws(StreamError) {
      digest.update(line)
      digest.update(Self.newline)
      try sink.write(line)
      try sink.write(Self.newline)
      bytes += line.count + 1
    }

    func close() throws(StreamError) { try sink.close() }
  }
}

/// Adds each record's client as `cl_shard`: a filter that keeps the order and every other byte.
package enum ShardAnnotation {
  package static let key = "cl_shard"

  /// Writes the selected records with `"cl_shard":{"v":1,"client":"003","split":"train"}`; `split`
  /// only if there is one.
  package static func write(
    _ outcome: Plan.Outcome, from scan: RecordScan, to sink: OutputSink
  ) throws {
    let parts = outcome.plan.request.split.parts
    try scan.forEachRecord { record, line, location in
      let client = Int(outcome.clientOf[record])
      if client < 0 { return }
      var writer = JSONWriter()
      writer.object { writer in
        writer.field("v", 1)
        writer.field("client", outcome.plan.clientID(client))
        if !parts.isEmpty { writer.field("split", parts[Int(outcome.partOf[record])].name) }
      }
      try sink.write(try RecordFields(line, at: location).setting(key, to: writer.bytes))
      try sink.write("\n")
    }
  }
}
