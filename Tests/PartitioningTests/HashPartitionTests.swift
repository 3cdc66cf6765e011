// SPDX-License-Identifier: Apache-2.0
import Partitioning
import Randomness
import Records
import TestSupport
import Testing

/// One-pass assignment.
@Suite struct HashPartitionTests {
  private let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  private func request(
    clients: Int? = 5, method: String = "dirichlet", by: String? = "length",
    bins: String? = "edges:20,50,120", split: String? = "train=.8,test=.2", groupBy: String? = nil,
    selection: Selection = .all, seed: UInt64 = 1
  ) throws -> PartitionRequest {
    try PartitionRequest(
      clients: clients, method: method, alpha: 0.4, by: by, bins: bins, split: split,
      selection: selection, groupBy: groupBy, usesHash: true, seed: Seed(seed))
  }

  private struct Result {
    let plan: Plan
    /// Lines of each client and part, in order.
    let shards: [[String]]
  }

  private func run(
    _ request: PartitionRequest, _ texts: [[String]], threads: Int = 1, skipInvalid: Int = 0
  ) throws -> Result {
    let paths = try texts.enumerated().map { index, lines in
      try folder.write("in-\(index).jsonl", lines.joined(separator: "\n"))
    }
    let partition = try HashPartition(request, skipInvalid: skipInvalid, threads: threads)
    let parts = max(1, request.split.parts.count)
    var shards = [[String]](repeating: [], count: partition.request.clients * parts)
    try partition.run(paths: paths) { line, client, part in
      shards[client * parts + part].append(String(decoding: line, as: UTF8.self))
    }
    return Result(plan: try partition.plan(tool: "test 1"), shards: shards)
  }

  @Test func everyLineGoesToOneShardAsItWas() throws {
    let lines = Corpus.lines(1500)
    let found = try run(try request(), [Array(lines[..<700]), Array(lines[700...])])
    #expect(found.shards.joined().sorted() == lines.sorted())
    #expect(found.plan.recordCount == 1500 && found.plan.counts.total == 1500)
    #expect(found.plan.files.joined().map(\.records) == found.shards.map(\.count))
    #expect(found.plan.inputs.map(\.records) == [700, 800])
    let position = Dictionary(uniqueKeysWithValues: lines.enumerated().map { ($1, $0) })
    for shard in found.shards {
      let places = shard.compactMap { position[$0] }
      #expect(places == places.sorted(), "the order of the input is kept")
    }
  }

  @Test func threadsDoNotMatter() throws {
    // Several blocks of a mebibyte.
    let padding = String(repeating: "x", count: 900)
    let lines = Corpus.lines(4000).map { $0.replacing("some text", with: padding) }
    for by in ["length", "label:source"] {
      let bins = by == "length" ? "edges:20,50,120" : nil
      let one = try run(try request(by: by, bins: bins), [lines], threads: 1)
      for threads in [2, 5] {
        let more = try run(try request(by: by, bins: bins), [lines], threads: threads)
        #expect(more.shards == one.shards && more.plan.json() == one.plan.json())
      }
    }
  }

  @Test func neitherOrderNorOtherRecordsMatter() throws {
    let lines = Corpus.lines(1200)
    let all = try run(try request(), [lines])
    let turned = try run(try request(), [lines.reversed()])
    let some = try run(try request(), [Array(lines[300..<800])])
    for (index, shard) in all.shards.enumerated() {
      #expect(turned.shards[index].sorted() == shard.sorted())
      #expect(Set(some.shards[index]).isSubset(of: shard))
    }
    // Two machines, a part of the corpus each, one after the other.
    let first = try run(try request(), [Array(lines[..<500])])
    let second = try run(try request(), [Array(lines[500...])])
    #expect(zip(first.shards, second.shards).map { $0 + $1 } == all.shards)
  }

  @Test func whatToolsAddedDoesNotMoveARecord() throws {
    let scored = Corpus.lines(400)
    let plain = scored.map { line in
      String(line[..<(line.firstRange(of: ",\"cl_score\"")?.lowerBound ?? line.endIndex)]) + "}"
    }
    let request = try request(method: "iid", by: nil, bins: nil)
    let (first, second) = (try run(request, [scored]), try run(request, [plain]))
    let ids = { (shards: [[String]]) in shards.map { $0.map { $0.prefix(20) } } }
    #expect(ids(first.shards) == ids(second.shards))
    #expect(first.plan.lengthUnit == .tokens && second.plan.lengthUnit == nil)
  }

  /// Counts are binomial around the shares: chi² over clients and bins is about its degrees of freedom.
  @Test func countsFollowTheShares() throws {
    let lines = Corpus.lines(6000)
    let plan = try run(try request(split: nil), [lines]).plan
    let shares = try #require(plan.proportions)
    let sizes = plan.counts.binTotals
    var (sum, degrees) = (0.0, 0)
    for bin in sizes.indices {
      for client in 0..<5 {
        let expected = shares[bin][client] * Double(sizes[bin])
        if expected < 5 { continue }
        let gap = Double(plan.counts[client, bin]) - expected
        sum += gap * gap / expected
        degrees += 1
      }
    }
    #expect(degrees > 8 && ChiSquared.upperTail(sum, degreesOfFreedom: degrees) > 1e-4)
    let tested = try run(try request(method: "iid", by: nil, bins: nil), [lines]).plan.files
      .reduce(0) { $0 + $1[1].records }
    // Five standard deviations of a binomial count.
    #expect(abs(Double(tested) - 1200) < 5 * (6000.0 * 0.2 * 0.8).squareRoot())
  }

  @Test func aPlanIsCarriedOut() throws {
    let lines = Corpus.lines(2000)
    try folder.write("sample.jsonl", lines[..<600].joined(separator: "\n"))
    let exact = try PartitionRequest(
      clients: 4, method: "only:length", alpha: 0.3, split: "train=.5,test=.5", seed: Seed(9))
    let scan = RecordScan(
      paths: [folder.file("sample.jsonl")], choice: exact.choice, spoolFolder: nil)
    try scan.read()
    let made = try Plan.make(exact, table: scan.table, inputs: scan.inputs, tool: "test 1").plan
    try folder.write("plan.json", String(decoding: made.json(), as: UTF8.self))
    let path = folder.file("plan.json")
    let first = try run(
      try request(clients: nil, method: "like:\(path)", by: nil, bins: nil, seed: 9), [lines])
    #expect(first.plan.recordCount == 2000 && first.plan.bins.binnings == made.bins.binnings)
    let length = try #require(first.plan.imbalance.axes.first { $0.axis == .length })
    let planned = try #require(made.imbalance.axes.first { $0.axis == .length })
    #expect(abs(length.indices.normalised - planned.indices.normalised) < 0.1)
    // The plan of that run leads the same way again, so a corpus can grow.
    try folder.write("second.json", String(decoding: first.plan.json(), as: UTF8.self))
    let again = try run(
      try request(
        clients: nil, method: "like:\(folder.file("second.json"))", by: nil, bins: nil, seed: 9),
      [lines])
    #expect(again.shards == first.shards)
  }

  /// Up to the classes' width, what is measured on the way is what is measured afterwards.
  @Test func indicesAreThoseOfTheShards() throws {
    let lines = Corpus.lines(3000)
    let found = try run(try request(split: nil), [lines])
    let paths = try found.shards.enumerated().map { index, shard in
      try folder.write("s\(index).jsonl", shard.joined(separator: "\n"))
    }
    let scan = RecordScan(paths: paths, choice: nil, spoolFolder: nil)
    try scan.read()
    let description = try ShardDescription(paths: paths, scan: scan)
    #expect(description.amounts.records == found.plan.amounts.records)
    #expect(description.amounts.length == found.plan.amounts.length)
    for axis in found.plan.imbalance.axes {
      let exact = try #require(description.imbalance.axes.first { $0.axis == axis.axis })
      #expect(abs(axis.indices.normalised - exact.indices.normalised) < 0.02)
      #expect(abs((axis.distance ?? 0) - (exact.distance ?? 0)) < 0.02)
      #expect(axis.range?.high == exact.range?.high)
    }
  }

  @Test func groupsAndClustersStayTogether() throws {
    let lines = (0..<600).map {
      #"{"id":\#($0),"text":"t","talk":\#($0 / 5),"cl_score":{"tokens":3,"cluster":\#($0 % 50)}}"#
    }
    let grouped = try run(
      try request(method: "iid", by: nil, bins: nil, split: nil, groupBy: "talk"), [lines])
    for shard in grouped.shards { #expect(shard.count % 5 == 0) }
    let split = try run(try request(method: "iid", by: nil, bins: nil), [lines])
    let tested = split.shards.enumerated().filter { $0.offset % 2 == 1 }.flatMap(\.element)
    let clusters = Dictionary(grouping: tested) { $0.split(separator: ":").last ?? "" }
    #expect(clusters.values.allSatisfy { $0.count == 12 } && !clusters.isEmpty)
  }

  @Test func badLinesAreCountedInOrder() throws {
    var lines = Corpus.lines(30)
    lines.insert("{bad", at: 10)
    lines.insert("[]", at: 20)
    lines.insert("", at: 5)
    let found = try run(try request(), [lines], threads: 3, skipInvalid: 2)
    #expect(found.plan.recordCount == 30 && found.plan.inputs[0].skipped == 2)
    do {
      _ = try run(try request(), [lines], skipInvalid: 1)
      Issue.record("the second bad line was tolerated")
    } catch let error as RecordError {
      #expect(error.place.line == 22)
    }
    let kept = try run(
      try request(selection: try Selection(keep: "20..80", sample: nil)), [Corpus.lines(300)])
    let inside = Corpus.lengths(300).filter { (20...80).contains($0) }.count
    #expect(kept.plan.recordCount == inside && kept.plan.outOfRange == 300 - inside)
  }

  @Test func whatNeedsAllRecordsIsRefused() {
    let misfits: [(method: String, by: String?, bins: String?)] = [
      ("dirichlet", "length", nil), ("dirichlet", "length", "quantile:4"), ("rank", "length", "log2"),
      ("dirichlet-client", "length", "log2"), ("only:length", nil, "edges:9"),
      ("quantity", "length", "log2"), ("pathological", "label:source", nil),
    ]
    for (method, by, bins) in misfits {
      #expect(throws: PartitionError.self, "\(method)") {
        try HashPartition(try request(method: method, by: by, bins: bins))
      }
    }
    for method in ["iid", "quantity"] {
      #expect(throws: Never.self) {
        try HashPartition(try request(method: method, by: nil, bins: nil))
      }
    }
  }
}
