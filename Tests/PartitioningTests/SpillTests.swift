// SPDX-License-Identifier: Apache-2.0
import Partitioning
import Randomness
import Records
import Streams
import TestSupport
import Testing

/// Tables that live in temporary files give what tables in memory give.
@Suite struct SpillTests {
  private let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  /// Enough records for several looks at the bound; clusters begin late.
  private func write() throws -> String {
    var draws = Seed(5).stream("spill")
    let lines = Corpus.lengths(9000).enumerated().map { index, length in
      let cluster = index > 5000 ? #","cluster":"c\#(draws.integer(below: 3000))""# : ""
      return
        #"{"id":\#(index),"text":"t","talk":\#(index / 3),"source":"s\#(index % 3)","cl_score":{"#
        + #""tokens":\#(Int(length)),"sentences":\#(1 + index % 9),"quality":\#(draws.uniform())\#(cluster)}}"#
    }
    return try folder.write("in.jsonl", lines.joined(separator: "\n"))
  }

  private func outcome(_ input: String, _ request: PartitionRequest, bound: Int) throws
    -> Plan.Outcome
  {
    let scan = RecordScan(
      paths: [input], choice: request.choice, groupBy: request.groupBy, spoolFolder: folder.path,
      memoryBound: bound)
    try scan.read()
    return try Plan.make(request, table: scan.table, inputs: scan.inputs, tool: "test 1")
  }

  @Test(
    arguments: [
      ("dirichlet", "length", nil), ("rank:0.6", "quality", nil), ("shards:2", "label:source", nil),
      ("quantity", "sentences", nil), ("only:quality", nil, "talk"), ("iid", nil, "talk"),
      ("natural:source", nil, nil),
    ] as [(String, String?, String?)])
  func filesGiveWhatMemoryGives(method: String, by: String?, groupBy: String?) throws {
    let input = try write()
    let isOwned = method.hasPrefix("natural")
    for selection in [Selection.all, try Selection(keep: "20..", sample: 5000)] {
      let request = try PartitionRequest(
        clients: isOwned ? nil : 6, method: method, alpha: 0.3, by: by,
        maximum: groupBy == nil ? 1200 : nil, split: "train=.8,test=.2", selection: selection,
        groupBy: groupBy, seed: Seed(1))
      let held = try outcome(input, request, bound: .max)
      let spilled = try outcome(input, request, bound: 0)
      #expect(held.plan.json() == spilled.plan.json())
      #expect(held.clientOf == spilled.clientOf && held.partOf == spilled.partOf)
    }
    #expect(try folder.files() == ["in.jsonl"], "temporary files have no names")
  }

  @Test func aFolderWithoutRoomIsNamed() throws {
    let input = try write()
    let request = try PartitionRequest(clients: 2, method: "iid", seed: Seed(1))
    let scan = RecordScan(
      paths: [input], choice: request.choice, spoolFolder: "/nowhere/at/all", memoryBound: 0)
    #expect(throws: StreamError.cannotCreate(path: "/nowhere/at/all/cl-partition.XXXXXX", errno: 2))
    {
      try scan.read()
    }
  }
}
