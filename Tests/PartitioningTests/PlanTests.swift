// SPDX-License-Identifier: Apache-2.0
import Foundation
import Partitioning
import Randomness
import Records
import Streams
import TestSupport
import Testing

/// Whole partitions, from files to files.
@Suite struct PlanTests {
  private let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  private func request(
    clients: Int? = 4, method: String = "dirichlet", by: String? = "length", alpha: Double = 0.3,
    minimum: Int = 1, split: String? = nil, selection: Selection = .all, seed: UInt64 = 1
  ) throws -> PartitionRequest {
    try PartitionRequest(
      clients: clients, method: method, alpha: alpha, by: by, minimum: minimum, split: split,
      selection: selection, seed: Seed(seed))
  }

  private func partition(
    _ request: PartitionRequest, _ inputs: [String], to name: String, skipInvalid: Int = 0
  ) throws -> Plan {
    let shards = try ShardFolder(folder.file(name), request: request)
    let scan = RecordScan(
      paths: inputs, choice: request.choice, skipInvalid: skipInvalid, spoolFolder: folder.path)
    try scan.read()
    let outcome = try Plan.make(request, table: scan.table, inputs: scan.inputs, tool: "test 1")
    return try shards.write(outcome, from: scan)
  }

  private func shardLines(_ plan: Plan, in name: String) throws -> [[String]] {
    try plan.files.joined().map { file in
      let text = String(decoding: try folder.read("\(name)/\(file.name)"), as: UTF8.self)
      #expect(text.isEmpty || text.hasSuffix("\n"))
      return text.split(separator: "\n").map(String.init)
    }
  }

  @Test(arguments: MethodCase.all)
  func shardsHoldEveryLineOnceAsItWas(method: MethodCase) throws {
    let lines = Corpus.lines(300)
    let input = try folder.write("in.jsonl", lines.joined(separator: "\n"))
    let request = try request(
      clients: method.clients, method: method.text, by: method.by, alpha: method.alpha, minimum: 20,
      split: "train=.7,validation=.2,test=.1")
    let plan = try partition(request, [input], to: "out")
    let shards = try shardLines(plan, in: "out")
    #expect(shards.joined().sorted() == lines.sorted())
    #expect(plan.files.allSatisfy { $0.reduce(0) { $0 + $1.records } >= 20 })
    let position = Dictionary(uniqueKeysWithValues: lines.enumerated().map { ($1, $0) })
    for (file, shard) in zip(plan.files.joined(), shards) {
      #expect(file.records == shard.count)
      let places = shard.compactMap { position[$0] }
      #expect(places == places.sorted(), "the order of the input is kept")
      let bytes = try folder.read("out/\(file.name)")
      #expect(file.bytes == bytes.count)
      #expect(file.sha256 == bytes.withUnsafeBytes { ContentDigest.hexadecimal(of: $0) })
    }
  }

  @Test func equalRunsGiveEqualBytesFromPlainAndCompressedInput() throws {
    let text = Corpus.lines(200).joined(separator: "\n") + "\n"
    let plain = try folder.write("in.jsonl", text)
    let result = try ToolRunner.run("gzip -k in.jsonl", in: folder.path)
    #expect(result.status == 0)
    let request = try request(split: "train=.8,test=.2")
    _ = try partition(request, [plain], to: "first")
    _ = try partition(request, [plain], to: "second")
    _ = try partition(request, [plain + ".gz"], to: "third")
    for file in try folder.files() where file.hasPrefix("first/") {
      let name = file.dropFirst(6)
      let first = try folder.read(file)
      #expect(first == (try folder.read("second/\(name)")))
      if name != "plan.json" { #expect(first == (try folder.read("third/\(name)"))) }
    }
  }

  @Test func inputsThatCanBeReadOnceAreSpooled() throws {
    let lines = Corpus.lines(50)
    try folder.write("in.jsonl", lines.joined(separator: "\n"))
    #expect(mkfifo(folder.file("pipe"), 0o600) == 0)
    let writer = Process()
    writer.executableURL = URL(fileURLWithPath: "/bin/sh")
    writer.arguments = ["-c", "cat '\(folder.file("in.jsonl"))' > '\(folder.file("pipe"))'"]
    try writer.run()
    let plan = try partition(try request(), [folder.file("pipe")], to: "out")
    writer.waitUntilExit()
    #expect(try shardLines(plan, in: "out").joined().sorted() == lines.sorted())
    #expect(try folder.files().allSatisfy { !$0.contains("cl-partition.") })
  }

  @Test func moreShardsThanOpenFilesTakeMoreReadings() throws {
    let lines = Corpus.lines(900)
    let input = try folder.write("in.jsonl", lines.joined(separator: "\n"))
    let plan = try partition(
      try request(clients: 300, method: "iid", by: nil, split: "train=.5,test=.5"), [input],
      to: "out")
    #expect(plan.files.count == 300)
    #expect(try shardLines(plan, in: "out").joined().sorted() == lines.sorted())
  }

  @Test func badAndBlankLinesArePassedOverInBothReadings() throws {
    let lines = Corpus.lines(6)
    let text = [lines[0], "", "{bad", lines[1] + "\r", "  ", "[]", lines[2]]
    let first = try folder.write("a.jsonl", text.joined(separator: "\n"))
    let second = try folder.write("b.jsonl", ([lines[3], "null"] + lines[4...]).joined(separator: "\n"))
    let plan = try partition(try request(clients: 2), [first, second], to: "out", skipInvalid: 3)
    #expect(try shardLines(plan, in: "out").joined().sorted() == lines.sorted())
    #expect(plan.inputs.map(\.records) == [3, 3] && plan.inputs.map(\.skipped) == [2, 1])
    #expect(throws: RecordError.self) {
      try partition(try request(clients: 2), [first, second], to: "out2", skipInvalid: 2)
    }
  }

  @Test func anInputThatChangesIsNoticed() throws {
    let input = try folder.write("in.jsonl", Corpus.lines(20).joined(separator: "\n"))
    let request = try request()
    let scan = RecordScan(paths: [input], choice: request.choice, spoolFolder: folder.path)
    try scan.read()
    let outcome = try Plan.make(request, table: scan.table, inputs: scan.inputs, tool: "test 1")
    for count in [19, 21] {
      try folder.write("in.jsonl", Corpus.lines(count).joined(separator: "\n"))
      let shards = try ShardFolder(folder.file("out"), request: request)
      #expect(throws: PartitionError.inputChanged(path: input)) {
        try shards.write(outcome, from: scan)
      }
      #expect(try folder.files() == ["in.jsonl"])
    }
  }

  @Test func foreignShardsAreNotMixedIn() throws {
    try FileManager.default.createDirectory(
      atPath: folder.file("out"), withIntermediateDirectories: true)
    try folder.write("out/notes.txt", "mine")
    #expect(throws: Never.self) { try ShardFolder(folder.file("out"), request: try request()) }
    try folder.write("out/client-004.jsonl", "")
    let path = folder.file("out/client-004.jsonl")
    #expect(throws: PartitionError.foreignShard(path: path)) {
      try ShardFolder(folder.file("out"), request: try request())
    }
  }

  @Test func selectionLimitsLengthAndNumber() throws {
    let lines = Corpus.lines(300)
    let input = try folder.write("in.jsonl", lines.joined(separator: "\n"))
    let selection = try Selection(keep: "20..80", sample: 50)
    let plan = try partition(try request(selection: selection), [input], to: "out")
    let lengths = Corpus.lengths(300)
    let inside = zip(lines, lengths).filter { (20...80).contains($0.1) }.map(\.0)
    let taken = Array(try shardLines(plan, in: "out").joined())
    #expect(taken.count == 50 && Set(taken).isSubset(of: inside))
    #expect(plan.recordCount == 50 && plan.outOfRange == 300 - inside.count)
    #expect(plan.notSampled == inside.count - 50)
    for text in ["", "5", "9..3", "a..b", "-1..4", "1..2..3"] {
      #expect(throws: PartitionError.self) { try Selection(keep: text, sample: nil) }
    }
    #expect(throws: Never.self) { try Selection(keep: "5..", sample: nil) }
    #expect(throws: Never.self) { try Selection(keep: "..5", sample: nil) }
  }

  @Test func methodAndPropertyHaveToFit() {
    let misfits: [(method: String, by: String?)] = [
      ("dirichlet", nil), ("dirichlet", "records"), ("rank", nil), ("rank", "joint:length,quality"),
      ("quantity", "quality"), ("quantity", "joint:length,sentences"),
    ]
    for (method, by) in misfits {
      #expect(throws: PartitionError.self, "\(method) \(by ?? "")") {
        try request(method: method, by: by)
      }
    }
    #expect(throws: PartitionError.self) { try request(clients: 0) }
    #expect(throws: PartitionError.self) { try request(minimum: -1) }
  }

  @Test func quantityOfRecordsKeepsItsFloor() throws {
    let input = try folder.write("in.jsonl", Corpus.lines(100).joined(separator: "\n"))
    let plan = try partition(
      try request(clients: 8, method: "quantity", by: "records", alpha: 0.01, minimum: 10), [input],
      to: "out")
    #expect(plan.amounts.records.min() == 10 && plan.moves.isEmpty)
  }

  @Test func jointBinsSkewBothAxes() throws {
    let input = try folder.write("in.jsonl", Corpus.lines(3000).joined(separator: "\n"))
    let plan = try partition(
      try request(by: "joint:length,quality", alpha: 0.1), [input], to: "out")
    #expect(plan.bins.count == 25 && plan.counts.total == 3000)
    let pair = try #require(
      plan.imbalance.joint.first { $0.axes == [.length, .quality] })
    let single = plan.imbalance.axes.map { $0.indices.normalised }
    #expect(pair.indices.normalised > 0.5 && single[0] < pair.indices.normalised)
    #expect(pair.interaction > 0.1)
  }

  @Test func skewingOneAxisLeavesAnIndependentOneAlone() throws {
    let input = try folder.write("in.jsonl", Corpus.lines(3000).joined(separator: "\n"))
    let plan = try partition(try request(alpha: 0.1), [input], to: "out")
    let length = try #require(plan.imbalance.axes.first { $0.axis == .length })
    let quality = try #require(plan.imbalance.axes.first { $0.axis == .quality })
    #expect(length.indices.normalised > 0.4 && length.indices.pValue < 1e-9)
    #expect(quality.indices.normalised < 0.01 && quality.indices.pValue > 0.001)
    let pair = try #require(plan.imbalance.joint.first { $0.axes == [.length, .quality] })
    #expect(abs(pair.interaction) < 0.05)
  }

  /// The sample in the documentation is what the golden case wrote.
  @Test func theDocumentedSampleIsReal() throws {
    let page = try String(
      contentsOfFile: "\(PackageLayout.root)/Documentation/formats/plan.md", encoding: .utf8)
    let start = try #require(page.range(of: "```json\n"))
    let end = try #require(page.range(of: "\n```", range: start.upperBound..<page.endIndex))
    let sample = try JSONValue(parsing: Array(page[start.upperBound..<end.lowerBound].utf8))
    let golden = try Data(
      contentsOf: URL(
        fileURLWithPath: "\(PackageLayout.root)/Tests/GoldenTests/Cases/cl-partition/length-split"
          + "/expect/shards/plan.json"))
    #expect(sample == (try JSONValue(parsing: Array(golden))))
    #expect(sample["type"]?.text == "plan" && sample["v"]?.int == Plan.version)
  }
}
