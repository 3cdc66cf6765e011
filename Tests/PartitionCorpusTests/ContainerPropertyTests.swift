// SPDX-License-Identifier: Apache-2.0
import Corpora
import Foundation
import Partitioning
import Randomness
import Records
import Streams
import TestSupport
import Testing

/// Every input record is in exactly one shard, its bytes as read: over random corpora, every container,
/// every method, any number of threads, any order of files.
@Suite struct ContainerPropertyTests {
  private let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  /// Records with text that tries to break lines and quotes, odd spacing, fields in any order.
  private func corpus(_ count: Int, seed: UInt64) -> [[UInt8]] {
    var draws = Seed(seed).stream("records")
    let pieces = [
      "word ", "é", "漢字 ", "\\n", "\\\"", "😀", "{", "]", "  ", "\\u00e9", "1.5 ", "\\\\",
    ]
    return (0..<count).map { index in
      let text = (0..<draws.integer(below: 40)).map { _ in
        pieces[draws.integer(below: pieces.count)]
      }
      let space = draws.integer(below: 3) == 0 ? " " : ""
      let score =
        #""cl_score":{"v":1,"tokens":\#(1 + draws.integer(below: 300)),"sentences":\#(1 + draws.integer(below: 9)),"quality":\#(draws.uniform()),"score":0.5}"#
      let body = #""id":\#(index),\#(space)"text":\#(space)"\#(text.joined())""#
      let label = #""source":"s\#(draws.integer(below: 4))""#
      let fields = draws.integer(below: 2) == 0 ? [body, label, score] : [score, label, body]
      return Array("{\(space)\(fields.joined(separator: ","))\(space)}".utf8)
    }
  }

  /// The files of one corpus in one container.
  private func write(_ lines: [[UInt8]], _ container: String) throws -> [String] {
    func text(_ lines: ArraySlice<[UInt8]>) -> [UInt8] {
      Array(lines.joined(separator: [0x0a])) + [0x0a]
    }
    let half = lines.count / 2
    let parts = [text(lines[..<half]), text(lines[half...])]
    let inner = [(name: "a/1.jsonl", bytes: parts[0]), (name: "b.ndjson", bytes: parts[1])]
    switch container {
    case "plain":
      return try parts.enumerated().map { try folder.write("\(container)-\($0).jsonl", $1) }
    case "tar": return [try folder.write("x.tar", ArchiveBytes.archive(inner, .tar))]
    case "tar.gz": return [try folder.write("x.tgz", ArchiveBytes.archive(inner, .tar, .gzip))]
    case "zip": return [try folder.write("x.zip", ArchiveBytes.archive(inner, .zip))]
    case "packed in tar":
      let packed = zip(inner, parts).map { ($0.name + ".xz", ArchiveBytes.packed($1, .xz)) }
      return [try folder.write("y.tar", ArchiveBytes.archive(packed, .tar))]
    case "array":
      let array = [0x5b] + Array(lines.joined(separator: [0x2c, 0x0a])) + [0x5d]
      return [try folder.write("x.json", array)]
    default:
      guard let packing = ArchiveBytes.Packing(rawValue: container) else { return [] }
      return [
        try folder.write("x.jsonl.\(container)", parts.flatMap { ArchiveBytes.packed($0, packing) })
      ]
    }
  }

  static let containers =
    ["plain", "tar", "tar.gz", "zip", "packed in tar", "array"]
    + ArchiveBytes.Packing.allCases.map(\.rawValue)

  private static func open(_ path: String) throws -> InputSource { try Corpus.lines(path) }

  /// Lines of all shards, and of the corpus as its reader gives them.
  private func shards(_ plan: Plan, in name: String) throws -> [[String]] {
    try plan.files.joined().map { file in
      let text = String(decoding: try folder.read("\(name)/\(file.name)"), as: UTF8.self)
      return text.split(separator: "\n").map(String.init)
    }
  }

  private func records(_ paths: [String]) throws -> [String] {
    let corpus = Corpus(paths: paths)
    var lines: [String] = []
    while let line = try corpus.next() { lines.append(String(decoding: line.bytes, as: UTF8.self)) }
    return lines
  }

  @Test(arguments: containers)
  func everyRecordIsInOneShardAsItWas(container: String) throws {
    let methods = PartitionerCatalog.names.filter { $0 != "like" }
    for (round, method) in methods.enumerated() {
      let lines = corpus(150 + 31 * round, seed: UInt64(round + 1))
      let paths = try write(lines, container)
      let isOwned = method == "natural" || method == "grouped"
      let request = try PartitionRequest(
        clients: isOwned ? nil : 5, method: method == "only" ? "only:length" : method, alpha: 0.3,
        by: isOwned ? "label:source" : method == "only" || method == "joint" ? nil : "length",
        minimum: isOwned ? 1 : 7, split: "train=.7,test=.3", seed: Seed(UInt64(round)))
      let shardFolder = try ShardFolder(folder.file("out"), request: request)
      let scan = RecordScan(
        paths: paths, choice: request.choice, spoolFolder: folder.path, open: Self.open)
      try scan.read()
      let outcome = try Plan.make(request, table: scan.table, inputs: scan.inputs, tool: "test 1")
      let plan = try shardFolder.write(outcome, from: scan, threads: 1 + round % 4)
      let found = try shards(plan, in: "out")
      #expect(found.joined().sorted() == (try records(paths)).sorted(), "\(method)")
      if container != "array" {
        #expect(
          found.joined().sorted() == lines.map { String(decoding: $0, as: UTF8.self) }.sorted())
      }
      try FileManager.default.removeItem(atPath: folder.file("out"))
    }
  }

  /// One pass: neither threads, nor containers, nor the order of files and records move a record.
  @Test func oneAssignmentForThreadsContainersAndOrders() throws {
    let lines = corpus(700, seed: 77)
    let request = try PartitionRequest(
      clients: 5, method: "dirichlet", alpha: 0.3, by: "length", bins: "log2",
      split: "train=.7,test=.3", usesHash: true, seed: Seed(4))
    func run(_ paths: [String], threads: Int) throws -> ([[String]], [UInt8]) {
      let partition = try HashPartition(request, threads: threads)
      var shards = [[String]](repeating: [], count: 10)
      try partition.run(paths: paths, open: Self.open) { line, client, part in
        shards[client * 2 + part].append(String(decoding: line, as: UTF8.self))
      }
      return (shards, try partition.plan(tool: "test 1").json())
    }
    let plain = try write(lines, "plain")
    let (expected, plan) = try run(plain, threads: 1)
    for threads in [2, 3, 8] {
      let (found, again) = try run(plain, threads: threads)
      #expect(found == expected && again == plan, "\(threads) threads")
    }
    let turned = try run(plain.reversed(), threads: 2).0
    #expect(turned.map { $0.sorted() } == expected.map { $0.sorted() })
    var order = lines
    var draws = Seed(1).stream("order")
    draws.shuffle(&order)
    for container in Self.containers.dropFirst() where container != "array" {
      #expect(try run(try write(lines, container), threads: 2).0 == expected, "\(container)")
      let mixed = try run(try write(order, container), threads: 2).0
      #expect(mixed.map { $0.sorted() } == expected.map { $0.sorted() }, "\(container)")
    }
  }

  /// Machines that carry one plan out on parts of a corpus: their folders described together are the
  /// folder of one machine.
  @Test func foldersOfSeveralMachinesAreDescribedAsOne() throws {
    let lines = corpus(400, seed: 5)
    let request = try PartitionRequest(
      clients: 4, method: "dirichlet", alpha: 0.3, by: "length", bins: "log2", usesHash: true,
      seed: Seed(4))
    func run(_ lines: ArraySlice<[UInt8]>, _ name: String) throws -> [String] {
      let input = try folder.write("\(name).jsonl", Array(lines.joined(separator: [0x0a])))
      let shards = try ShardFolder(folder.file(name), request: request)
      let partition = try HashPartition(request)
      _ = try shards.write(request) { take in
        try partition.run(paths: [input], take: take)
      } plan: {
        try partition.plan(tool: "test 1")
      }
      return try ShardDescription.files(in: folder.file(name))
    }
    func describe(_ paths: [String]) throws -> ShardDescription {
      let scan = RecordScan(paths: paths, choice: nil, spoolFolder: nil)
      try scan.read()
      return try ShardDescription(paths: paths, scan: scan)
    }
    let whole = try describe(try run(lines[...], "whole"))
    let parts = try describe(try run(lines[..<150], "first") + run(lines[150...], "second"))
    #expect(parts.clients.map(\.name) == whole.clients.map(\.name))
    #expect(parts.clients.allSatisfy { $0.files.count == 2 } && parts.recordCount == 400)
    #expect(parts.amounts.records == whole.amounts.records)
    #expect(parts.amounts.length == whole.amounts.length)
    for (one, other) in zip(parts.imbalance.axes, whole.imbalance.axes) {
      #expect(one.counts == other.counts && one.indices == other.indices)
    }
  }
}
