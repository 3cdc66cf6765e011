// SPDX-License-Identifier: Apache-2.0
import Corpora
import Partitioning
import Randomness
import Records
import Streams
import TestSupport
import Testing

/// `--skip-invalid` where records come out of containers.
@Suite struct BadRecordTests {
  private let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  /// Two lines that are no records, one text that is no UTF-8, a row that is too short.
  private func archive(_ kind: ArchiveBytes.Kind) throws -> String {
    func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
    let files: [(name: String, bytes: [UInt8])] = [
      (
        name: "a.jsonl", bytes: bytes(#"{"text":"one"}"# + "\n\n{bad\n" + #"{"text":"two"}"# + "\n")
      ),
      (name: "b.txt", bytes: [0x61, 0xff, 0x62]),
      (name: "c.csv", bytes: bytes("text,n\nthree,1\nfour\nfive,2\n")),
      (name: "d.jsonl", bytes: bytes("[]\n" + #"{"text":"six"}"#)),
    ]
    return try folder.write(kind == .tar ? "x.tar" : "x.zip", ArchiveBytes.archive(files, kind))
  }

  private func texts(_ lines: [String]) -> [String] {
    lines.map { String($0.split(separator: "\"")[2]) }
  }

  @Test(arguments: [ArchiveBytes.Kind.tar, .zip])
  func badRecordsInArchivesAreCountedWithTheirPlaces(kind: ArchiveBytes.Kind) throws {
    let path = try archive(kind)
    let request = try PartitionRequest(clients: 2, method: "iid", seed: Seed(1))
    let scan = RecordScan(
      paths: [path], choice: nil, skipInvalid: 4, spoolFolder: folder.path,
      open: { try Corpus.lines($0) })
    var places: [String] = []
    try scan.read { places.append($0.location ?? "") }
    #expect(
      Set(places) == Set(["a.jsonl:3", "b.txt:1", "c.csv:3", "d.jsonl:1"].map { "\(path):\($0)" }))
    #expect(scan.inputs.map(\.skipped) == [4] && scan.inputs.map(\.records) == [5])
    let outcome = try Plan.make(request, table: scan.table, inputs: scan.inputs, tool: "test 1")
    #expect(outcome.plan.recordCount == 5)
    var lines: [String] = []
    try scan.forEachRecord { _, line, _ in lines.append(String(decoding: line, as: UTF8.self)) }
    #expect(
      texts(lines.map { $0.replacing(" ", with: "") }).map { $0.filter(\.isLetter) }.count == 5)
    let one = try PartitionRequest(clients: 2, method: "iid", usesHash: true, seed: Seed(1))
    for threads in [1, 3] {
      let hashed = try HashPartition(one, skipInvalid: 4, threads: threads)
      var found: [String] = []
      try hashed.run(paths: [path], open: { try Corpus.lines($0) }) { line, _, _ in
        found.append(String(decoding: line, as: UTF8.self))
      }
      #expect(found == lines)
      #expect(try hashed.plan(tool: "test 1").inputs.map(\.skipped) == [4])
    }
  }

  @Test func oneMoreThanToleratedIsAnErrorWithItsPlace() throws {
    let path = try archive(.zip)
    for limit in 0..<4 {
      let scan = RecordScan(
        paths: [path], choice: nil, skipInvalid: limit, spoolFolder: folder.path,
        open: { try Corpus.lines($0) })
      do {
        try scan.read()
        Issue.record("\(limit) were enough for four")
      } catch let error as any Diagnosable {
        #expect(error.category == .badData && (error.location ?? "").hasPrefix("\(path):"))
      }
    }
  }

  @Test func cutArchivesStayErrors() throws {
    let whole = ArchiveBytes.archive(
      [(name: "a.jsonl", bytes: Array(#"{"text":"one"}"#.utf8))], .zip)
    let path = try folder.write("x.zip", Array(whole.dropLast(30)))
    let scan = RecordScan(
      paths: [path], choice: nil, skipInvalid: 1000, spoolFolder: folder.path,
      open: { try Corpus.lines($0) })
    #expect(throws: StreamError.self) { try scan.read() }
  }
}
