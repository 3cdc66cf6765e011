// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Records
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
    if request.clients > 0 { try refuseForeignShards(request) }
  }

  /// - Throws: ``PartitionError/foreignShard(path:)``.
  private func refuseForeignShards(_ request: PartitionRequest) throws {
    let names: [String?] =
      request.split.parts.isEmpty ? [nil] : request.split.parts.map { $0.name }
    var own: Set<String> = []
    for client in 0..<request.clients {
      for split in names {
        own.insert(
          Plan.fileName(
            client: client, clients: request.clients, split: split, packing: request.packing))
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
    var name = name[...]
    for packing in Packing.allCases where name.hasSuffix(packing.ending) {
      name = name.dropLast(packing.ending.count)
      break
    }
    guard name.hasPrefix("client-"), name.hasSuffix(".jsonl") else { return false }
    let digits = name.dropFirst(7).prefix { $0 != "." }
    return !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
  }

  /// Writes all shards and then the plan.
  ///
  /// - Parameter threads: that take digests, pack and write; the bytes do not depend on them.
  /// - Returns: the plan with the files' sizes and digests.
  package func write(
    _ outcome: Plan.Outcome, from scan: RecordScan, threads: Int = 1
  ) throws -> Plan {
    var plan = outcome.plan
    try refuseForeignShards(plan.request)
    unlink(planPath)
    let parts = max(1, plan.request.split.parts.count)
    let fileCount = plan.request.clients * parts
    for start in stride(from: 0, to: fileCount, by: Self.openLimit) {
      let group = start..<min(start + Self.openLimit, fileCount)
      let writers = try ShardWriters(
        packing: plan.request.packing, name: path, openFiles: group.count, threads: threads)
      let shards = try group.map { index in
        try ShardFile(
          path: file(plan.files[index / parts][index % parts].name), number: index,
          writers: writers)
      }
      try scan.forEachRecord { record, line, _ in
        let client = Int(outcome.clientOf[record])
        let index = client * parts + Int(outcome.partOf[record])
        if group.contains(index) { try shards[index - start].append(line) }
      }
      for (index, shard) in zip(group, shards) {
        plan.files[index / parts][index % parts].sha256 = try shard.close()
        plan.files[index / parts][index % parts].bytes = shard.bytes
      }
    }
    try write(plan)
    return plan
  }

  /// Writes the shards of a one-pass partition while `body` reads, and then the plan.
  ///
  /// - Parameters:
  ///   - threads: that take digests, pack and write; the bytes do not depend on them.
  ///   - body: reads the records, handing each one to the function that it is given.
  ///   - plan: the plan of what was read.
  package func write(
    _ request: PartitionRequest, threads: Int = 1,
    body: ((UnsafeRawBufferPointer, _ client: Int, _ part: Int) throws -> Void) throws -> Void,
    plan makePlan: () throws -> Plan
  ) throws -> Plan {
    try refuseForeignShards(request)
    let names: [String?] =
      request.split.parts.isEmpty ? [nil] : request.split.parts.map { $0.name }
    let fileCount = request.clients * names.count
    let limit = ShardFile.openLimit()
    guard fileCount <= limit else {
      throw PartitionError.invalidOption(
        "--clients", value: "\(request.clients)",
        expected: "at most \(limit) files in one pass, as many as may be open (ulimit -n)")
    }
    unlink(planPath)
    let writers = try ShardWriters(
      packing: request.packing, name: path, openFiles: fileCount, threads: threads)
    let shards = try (0..<fileCount).map { index in
      let name = Plan.fileName(
        client: index / names.count, clients: request.clients, split: names[index % names.count],
        packing: request.packing)
      return try ShardFile(path: file(name), number: index, writers: writers)
    }
    try body { line, client, part in try shards[client * names.count + part].append(line) }
    var plan = try makePlan()
    for (index, shard) in shards.enumerated() {
      plan.files[index / names.count][index % names.count].sha256 = try shard.close()
      plan.files[index / names.count][index % names.count].bytes = shard.bytes
    }
    try write(plan)
    return plan
  }

  private func write(_ plan: Plan) throws {
    let sink = try OutputSink(path: planPath)
    try sink.write(plan.json())
    try sink.close()
  }

  package var planPath: String { file(Self.planName) }

  /// The path of a file in the folder.
  package func file(_ name: String) -> String { path == "/" ? "/\(name)" : "\(path)/\(name)" }
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
      let split = parts.isEmpty ? nil : parts[Int(outcome.partOf[record])].name
      try write(
        line, at: location, client: outcome.plan.clientID(client), split: split, to: sink)
    }
  }

  /// Writes one record with its client.
  package static func write(
    _ line: UnsafeRawBufferPointer, at location: RecordLocation, client: String, split: String?,
    to sink: OutputSink
  ) throws {
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("v", 1)
      writer.field("client", client)
      writer.field("split", ifPresent: split)
    }
    try sink.write(try RecordFields(line, at: location).setting(key, to: writer.bytes))
    try sink.write("\n")
  }
}
