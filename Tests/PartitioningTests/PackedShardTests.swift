// SPDX-License-Identifier: Apache-2.0
import Partitioning
import Randomness
import Streams
import TestSupport
import Testing

/// `--compress`.
@Suite struct PackedShardTests {
  private let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  private func request(
    _ packing: String?, hash: Bool = false, clients: Int = 4
  ) throws -> PartitionRequest {
    try PartitionRequest(
      clients: clients, method: "iid", minimum: 0, split: "train=.5,test=.5", compress: packing,
      usesHash: hash, seed: Seed(1))
  }

  private func partition(
    _ request: PartitionRequest, _ input: String, to name: String, threads: Int = 1
  ) throws -> Plan {
    let shards = try ShardFolder(folder.file(name), request: request)
    if request.usesHash {
      let partition = try HashPartition(request)
      return try shards.write(request, threads: threads) { take in
        try partition.run(paths: [input], take: take)
      } plan: {
        try partition.plan(tool: "test 1")
      }
    }
    let scan = RecordScan(paths: [input], choice: request.choice, spoolFolder: folder.path)
    try scan.read()
    let outcome = try Plan.make(request, table: scan.table, inputs: scan.inputs, tool: "test 1")
    return try shards.write(outcome, from: scan, threads: threads)
  }

  @Test(arguments: Packing.allCases, [false, true])
  func packedShardsHoldWhatPlainOnesHold(packing: Packing, hash: Bool) throws {
    // One line is longer than a piece.
    let long = #"{"text":"\#(String(repeating: "word ", count: 400_000))","cl_score":{"tokens":5}}"#
    let input = try folder.write(
      "in.jsonl", (Corpus.lines(500) + [long]).joined(separator: "\n"))
    let plain = try partition(try request(nil, hash: hash), input, to: "plain")
    let packed = try partition(try request(packing.rawValue, hash: hash), input, to: "packed")
    for (one, other) in zip(plain.files.joined(), packed.files.joined()) {
      #expect(other.name == one.name + packing.ending)
      #expect(other.sha256 == one.sha256 && other.bytes == one.bytes)
      let stored = try folder.read("packed/\(other.name)")
      #expect(stored.starts(with: packing == .gzip ? [0x1f, 0x8b] : [0x28, 0xb5, 0x2f, 0xfd]))
      let content = try InputSource(path: folder.file("packed/\(other.name)")).readAll()
      #expect(content == (try folder.read("plain/\(one.name)")))
    }
    _ = try partition(try request(packing.rawValue, hash: hash), input, to: "threads", threads: 3)
    for file in packed.files.joined() {
      #expect(try folder.read("threads/\(file.name)") == folder.read("packed/\(file.name)"))
    }
    let program = packing == .gzip ? "gzip" : "zstd"
    let check = try ToolRunner.run(
      "command -v \(program) >/dev/null || exit 0; \(program) -tq packed/client-*\(packing.ending)",
      in: folder.path)
    #expect(check.status == 0, "\(check.errors)")
  }

  @Test(arguments: Packing.allCases)
  func anEmptyShardIsAPackedFileToo(packing: Packing) throws {
    let input = try folder.write("in.jsonl", Corpus.lines(3).joined(separator: "\n"))
    let plan = try partition(try request(packing.rawValue, clients: 8), input, to: "out")
    let empty = plan.files.joined().filter { $0.records == 0 }
    #expect(empty.count > 4)
    for file in empty {
      #expect(try InputSource(path: folder.file("out/\(file.name)")).readAll() == [])
      #expect(file.bytes == 0)
    }
  }

  @Test func shardsOfAnotherPackingAreForeign() throws {
    let input = try folder.write("in.jsonl", Corpus.lines(30).joined(separator: "\n"))
    _ = try partition(try request("gz"), input, to: "out")
    let path = folder.file("out/client-000.test.jsonl.gz")
    #expect(throws: PartitionError.foreignShard(path: path)) {
      try partition(try request("zst"), input, to: "out")
    }
    #expect(throws: Never.self) { try partition(try request("gz"), input, to: "out") }
    #expect(throws: PartitionError.self) { try request("bz2") }
  }
}
