// SPDX-License-Identifier: Apache-2.0
import Partitioning
import Randomness
import Streams
import TestSupport
import Testing

/// Equal inputs, options and seed give equal bytes, on every machine and for ever: who gets which
/// record, and the plan. A change of one of these digests breaks every experiment made before.
@Suite struct ForeverTests {
  private let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  struct Case: Sendable, CustomTestStringConvertible {
    let method: String
    let by: String?
    let digest: String
    var testDescription: String { "\(method) by \(by ?? "nothing")" }
  }

  static let cases = [
    Case(method: "iid", by: nil, digest: "bac4067ff17d5c95"),
    Case(method: "dirichlet", by: "length", digest: "b52c5fb792914015"),
    Case(method: "dirichlet", by: "joint:length,quality", digest: "71bcc61dbd9cc22e"),
    Case(method: "dirichlet-client", by: "sentences", digest: "f3a24db209409559"),
    Case(method: "quantity", by: "length", digest: "a93bf2ef6900ce28"),
    Case(method: "rank:0.6", by: "quality", digest: "8b7f1f639250a956"),
    Case(method: "shards:2", by: "label:source", digest: "fd8c70fb7bda6769"),
    Case(method: "pathological:2", by: "length", digest: "d0c00a522354027d"),
    Case(method: "natural:source", by: nil, digest: "2ef64f6f67ac3d43"),
    Case(method: "grouped:2", by: "label:source", digest: "1b9e11a8f708cbdb"),
    Case(method: "only:length", by: nil, digest: "93bb561e005d53b9"),
    Case(method: "only:quality", by: nil, digest: "5f3b4160c3bc2a53"),
    Case(method: "joint:length,quality", by: nil, digest: "63a303336fa80bab"),
  ]

  @Test(arguments: cases)
  func exactPlansStayAsTheyAre(example: Case) throws {
    let text = Corpus.lines(400).joined(separator: "\n")
    let input = try folder.write("in.jsonl", text)
    let isOwned = example.method.hasPrefix("natural") || example.method.hasPrefix("grouped")
    let request = try PartitionRequest(
      clients: isOwned ? nil : 6, method: example.method, alpha: 0.3, by: example.by, minimum: 5,
      split: "train=.8,test=.2", participation: try Participation(rounds: 2, amount: "0.5"),
      seed: Seed(1))
    let scan = RecordScan(paths: [input], choice: request.choice, spoolFolder: nil)
    try scan.read()
    let inputs = scan.inputs.map {
      Plan.Input(
        name: "in.jsonl", bytes: $0.bytes, sha256: $0.sha256, records: $0.records,
        skipped: $0.skipped)
    }
    let outcome = try Plan.make(request, table: scan.table, inputs: inputs, tool: "test 1")
    #expect(digest(outcome.plan, outcome.clientOf, outcome.partOf) == example.digest)
  }

  static let hashCases = [
    Case(method: "iid", by: nil, digest: "3f1e8a45ee00ebea"),
    Case(method: "dirichlet", by: "length", digest: "514496db5a1b91bf"),
    Case(method: "dirichlet", by: "label:source", digest: "c535239ee75fe7d3"),
    Case(method: "quantity", by: nil, digest: "fae57bca49f101f4"),
  ]

  @Test(arguments: hashCases)
  func hashedPlansStayAsTheyAre(example: Case) throws {
    let text = Corpus.lines(400).joined(separator: "\n")
    let input = try folder.write("in.jsonl", text)
    let request = try PartitionRequest(
      clients: 6, method: example.method, alpha: 0.3, by: example.by, bins: "log2",
      split: "train=.8,test=.2", usesHash: true, seed: Seed(1))
    let partition = try HashPartition(request)
    var (clientOf, partOf): ([Int32], [UInt8]) = ([], [])
    try partition.run(paths: [input]) { _, client, part in
      clientOf.append(Int32(client))
      partOf.append(UInt8(part))
    }
    // The plan names its input, which is in a folder of its own each time.
    let json = String(decoding: try partition.plan(tool: "test 1").json(), as: UTF8.self)
      .replacing(folder.path, with: "")
    #expect(digest(json, clientOf, partOf) == example.digest)
  }

  /// `like` takes everything from a plan, which is made here first.
  @Test(arguments: [(false, "be8f598b78cee591"), (true, "46b663fadc964117")])
  func whatLikeMakesOfAPlanStaysAsItIs(hash: Bool, expected: String) throws {
    let input = try folder.write("in.jsonl", Corpus.lines(400).joined(separator: "\n"))
    func outcome(_ request: PartitionRequest) throws -> Plan.Outcome {
      let scan = RecordScan(paths: [input], choice: request.choice, spoolFolder: nil)
      try scan.read()
      return try Plan.make(request, table: scan.table, inputs: scan.inputs, tool: "test 1")
    }
    let first = try outcome(
      try PartitionRequest(
        clients: 6, method: "only:length", alpha: 0.3, split: "train=.8,test=.2", seed: Seed(1)))
    try folder.write("plan.json", String(decoding: first.plan.json(), as: UTF8.self))
    let request = try PartitionRequest(
      clients: nil, method: "like:\(folder.file("plan.json"))", split: "train=.8,test=.2",
      usesHash: hash, seed: Seed(1))
    let plan: Plan
    var (clientOf, partOf): ([Int32], [UInt8]) = ([], [])
    if hash {
      let partition = try HashPartition(request)
      try partition.run(paths: [input]) { _, client, part in
        clientOf.append(Int32(client))
        partOf.append(UInt8(part))
      }
      plan = try partition.plan(tool: "test 1")
    } else {
      let found = try outcome(request)
      (plan, clientOf, partOf) = (found.plan, found.clientOf, found.partOf)
    }
    let json = String(decoding: plan.json(), as: UTF8.self).replacing(folder.path, with: "")
    #expect(digest(json, clientOf, partOf) == expected)
  }

  private func digest(_ plan: Plan, _ clientOf: [Int32], _ partOf: [UInt8]) -> String {
    digest(String(decoding: plan.json(), as: UTF8.self), clientOf, partOf)
  }

  /// The first 16 digits of SHA-256 over the plan and each record's client and part.
  private func digest(_ json: String, _ clientOf: [Int32], _ partOf: [UInt8]) -> String {
    let sum = ContentDigest()
    sum.update(json)
    for (client, part) in zip(clientOf, partOf) { sum.update("\(client).\(part) ") }
    return String(sum.hexadecimal().prefix(16))
  }
}
