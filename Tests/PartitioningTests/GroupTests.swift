// SPDX-License-Identifier: Apache-2.0
import Partitioning
import Randomness
import Records
import Streams
import TestSupport
import Testing

/// Records that stay together.
@Suite struct GroupTests {
  private let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  /// Conversations of 1 to 9 turns; clusters of near-duplicates that go across them.
  private func lines(_ count: Int) -> [String] {
    var draws = Seed(11).stream("groups")
    var (conversation, left) = (0, 3)
    return Corpus.lengths(count).enumerated().map { index, length in
      if left == 0 { (conversation, left) = (conversation + 1, 1 + draws.integer(below: 9)) }
      left -= 1
      let cluster = draws.integer(below: 4) == 0 ? "\(draws.integer(below: 40))" : "null"
      return #"{"id":\#(index),"text":"t","meta":{"talk":"c\#(conversation)"},"#
        + #""cl_score":{"tokens":\#(Int(length)),"cluster":\#(cluster)}}"#
    }
  }

  private func outcome(
    _ lines: [String], groupBy: String? = "meta.talk", minimum: Int = 1, clients: Int = 6
  ) throws -> (Plan.Outcome, [String]) {
    let input = try folder.write("in.jsonl", lines.joined(separator: "\n"))
    let request = try PartitionRequest(
      clients: clients, method: "dirichlet", alpha: 0.5, by: "length", minimum: minimum,
      split: "train=.8,test=.2", groupBy: groupBy, seed: Seed(1))
    let scan = RecordScan(
      paths: [input], choice: request.choice, groupBy: groupBy, spoolFolder: nil)
    try scan.read()
    return (
      try Plan.make(request, table: scan.table, inputs: scan.inputs, tool: "test 1"),
      lines.map { String($0.split(separator: "\"").first { $0.hasPrefix("c") && $0.count < 6 && $0 != "cluster" } ?? "") }
    )
  }

  @Test(arguments: [1, 60])
  func groupsStayWithOneClientAndInOnePart(minimum: Int) throws {
    let lines = lines(900)
    let (outcome, talks) = try outcome(lines, minimum: minimum)
    var homes: [String: Set<Int32>] = [:]
    var parts: [String: Set<UInt8>] = [:]
    for (record, talk) in talks.enumerated() {
      homes[talk, default: []].insert(outcome.clientOf[record])
      parts[talk, default: []].insert(outcome.partOf[record])
    }
    #expect(homes.count > 100)
    #expect(homes.values.allSatisfy { $0.count == 1 } && parts.values.allSatisfy { $0.count == 1 })
    #expect(outcome.plan.amounts.records.allSatisfy { Int($0) >= minimum })
    #expect(outcome.plan.counts.total == 900)
    let tested = Double(outcome.partOf.filter { $0 == 1 }.count) / 900
    #expect(abs(tested - 0.2) < 0.05)
  }

  /// What one client trains on must not be what another one is tested on.
  @Test func nearDuplicatesAreNeverSplitBetweenTrainAndTest() throws {
    let lines = lines(900)
    let (outcome, _) = try outcome(lines, groupBy: nil)
    var parts: [String: Set<UInt8>] = [:]
    var clients: [String: Set<Int32>] = [:]
    for (record, line) in lines.enumerated() where !line.hasSuffix("null}}") {
      let cluster = String(line.split(separator: ":").last ?? "")
      parts[cluster, default: []].insert(outcome.partOf[record])
      clients[cluster, default: []].insert(outcome.clientOf[record])
    }
    #expect(parts.count == 40 && parts.values.allSatisfy { $0.count == 1 })
    #expect(clients.values.contains { $0.count > 1 }, "clusters go across clients")
    for files in outcome.plan.files {
      let (train, test) = (Double(files[0].records), Double(files[1].records))
      #expect(abs(test / (train + test) - 0.2) < 0.06)
    }
  }

  @Test func groupsHoldBackWhatCannotBe() throws {
    let same = (0..<20).map { #"{"id":\#($0),"text":"a b","g":1,"cl_score":{"tokens":2}}"# }
    #expect(throws: PartitionError.tooFewGroups(groups: 1, clients: 2, minimum: 1)) {
      try outcome(same, groupBy: "g", clients: 2)
    }
    #expect(throws: PartitionError.noGroups(field: "nope")) {
      try outcome(same, groupBy: "nope", clients: 2)
    }
  }

  @Test func groupsAreJoinedOverLists() {
    let groups = RecordGroups(recordCount: 6, names: [[1, 1, 0, 2, 0, 2], [0, 7, 7, 0, 0, 0]])
    #expect(groups.groupOf == [0, 0, 0, 1, 2, 1] && groups.count == 3)
    #expect(RecordGroups(recordCount: 0, names: [[]]).count == 0)
  }

  @Test func aMaximumLeavesTheRestOut() throws {
    let lines = Corpus.lines(300)
    let input = try folder.write("in.jsonl", lines.joined(separator: "\n"))
    let request = try PartitionRequest(
      clients: 4, method: "dirichlet", alpha: 0.3, by: "length", maximum: 50, seed: Seed(1))
    let scan = RecordScan(paths: [input], choice: request.choice, spoolFolder: nil)
    try scan.read()
    let outcome = try Plan.make(request, table: scan.table, inputs: scan.inputs, tool: "test 1")
    #expect(outcome.plan.amounts.records.max() == 50)
    #expect(outcome.plan.recordCount + outcome.plan.overMaximum == 300)
    #expect(outcome.clientOf.filter { $0 < 0 }.count == outcome.plan.overMaximum)
    #expect(outcome.plan.overMaximum > 0)
  }
}
