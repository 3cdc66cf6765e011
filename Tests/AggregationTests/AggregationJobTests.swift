// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Foundation
import Streams
import TestSupport
import Testing

@Suite struct AggregationJobTests {
  let sample: SampleRound
  let rule: RuleCatalog.Entry
  init() throws {
    sample = try SampleRound()
    rule = try RuleCatalog.entry("fedavg")
  }

  @Test(arguments: [
    (WeightChoice.records, [10.0, 30]), (.tokens, [71, 211]), (.targetTokens, [30, 90]),
    (.quality, [25, 75]), (.uniform, [1, 1]),
  ])
  func weightsComeFromTheClaims(choice: WeightChoice, expected: [Double]) throws {
    let clients = [SampleRound.clients(3)[0], SampleRound.clients(3)[2]]
    let outcome = try AggregationJob(rule, choice).run(
      try sample.files(clients), withDigests: false)
    let sum = expected[0] + expected[1]
    for (found, expected) in zip(outcome.round.weights, expected) {
      #expect(abs(found - expected / sum) < 1e-15)
    }
  }

  @Test(arguments: ["client\tweight\n0\t1\n1\t3\n", "{\"client\":\"1\",\"weight\":3}\n0\t1"])
  func weightsComeFromAFile(text: String) throws {
    let path = try sample.folder.write("weights", text)
    let outcome = try AggregationJob(rule, .file(path)).run(
      try sample.files(SampleRound.clients(2)), withDigests: false)
    #expect(outcome.round.weights == [0.25, 0.75])
    #expect(outcome.adapter.provenance?.weights == "file")
  }

  @Test(arguments: [
    ("0\t1\n1", 2), ("0\t1\n1\t-1", 2), ("0\tnan\n", 1), ("0\tinf\n", 1), ("0\t1\n0\t2\n", 2),
    ("{\"client\":0,\"weight\":1}", 1), ("{\"client\":\"0\"}", 1), ("x\n", 1), ("0\t1\t2\n", 1),
  ])
  func malformedWeightsAreRefusedByLine(text: String, line: Int) throws {
    let path = try sample.folder.write("weights", text)
    do {
      _ = try AggregationJob(rule, .file(path)).adapter(try sample.files(SampleRound.clients(2)))
      Issue.record("accepted")
    } catch let error as AggregationError {
      #expect(error.location == "\(path):\(line)")
    }
  }

  @Test func clientsWithoutAWeightAreRefused() throws {
    var clients = SampleRound.clients(2)
    clients[1].records = nil
    let files = try sample.files(clients)
    #expect(throws: AggregationError.missingCount(path: files[1].path, weights: "records")) {
      try AggregationJob(rule).adapter(files)
    }
    let table = try sample.folder.write("weights", "0\t1\n")
    #expect(
      throws: AggregationError.missingWeight(path: files[1].path, client: "1", file: table)
    ) { try AggregationJob(rule, .file(table)).adapter(files) }
    #expect(throws: AggregationError.noAdapters) { try AggregationJob(rule).adapter([]) }
    clients[0].records = 0
    clients[1].records = 0
    #expect(throws: AggregationError.noWeight) {
      try AggregationJob(rule).adapter(try sample.files(clients))
    }
  }

  @Test func claimsBeyondAllBoundsDoNotTrap() throws {
    var clients = SampleRound.clients(2)
    clients[0].records = .max / 8
    clients[1].records = .max / 8
    let adapter = try AggregationJob(rule).adapter(try sample.files(clients))
    #expect(adapter.provenance?.records == .max / 8 * 2)
    #expect(adapter.provenance?.tokens == nil)
  }

  private func damaged(_ name: String) throws -> AdapterFile {
    var adapter = SampleRound.adapter(SampleRound.Client(name: name))
    var values = adapter.modules[1].loraB
    values[2] = .nan
    adapter.setFactors(1, loraA: adapter.modules[1].loraA, loraB: values)
    try AdapterWriter.write(adapter, to: sample.folder.file("\(name)-nan.safetensors"))
    return try AdapterReader.open(path: sample.folder.file("\(name)-nan.safetensors"))
  }

  @Test func notANumberIsRefusedByName() throws {
    let files = try sample.files(SampleRound.clients(2)) + [try damaged("x")]
    do {
      _ = try AggregationJob(rule).adapter(files)
      Issue.record("accepted")
    } catch let error as AdapterError {
      #expect(error.category == .badData)
      #expect(error.path == files[2].path)
      #expect(
        error.problem
          == .notFinite(
            tensor: AdapterNaming.tensorName(SampleRound.paths[1], .b), index: 2))
    }
  }

  @Test func roundGoesOnWithoutRefusedClients() throws {
    let good = try sample.files(SampleRound.clients(3))
    let expected = try AggregationJob(rule).adapter(good)
    var other = SampleRound.Client(name: "y")
    other.base = "other"
    let bad = [try damaged("x"), try sample.file(other, "y.safetensors")]
    var told: [String] = []
    let outcome = try AggregationJob(rule, minimum: 3).run(
      [bad[0]] + good + [bad[1]], withDigests: false, onRefusal: { told.append($0.path) })
    #expect(outcome.adapter.digest() == expected.digest())
    #expect(told == bad.map(\.path))
    #expect(outcome.refused.map(\.client) == ["x", "y"])
    #expect(throws: AggregationError.tooFewClients(accepted: 3, required: 4)) {
      try AggregationJob(rule, minimum: 4).adapter(good + bad)
    }
    #expect(AggregationError.tooFewClients(accepted: 3, required: 4).category == .tooFewClients)
  }

  @Test func toleratedRefusalsAreCounted() throws {
    let files = try sample.files(SampleRound.clients(2)) + [try damaged("x")]
    let lenient = try AggregationJob(
      rule: rule, weights: .records, toleratedRefusals: 1, tool: "test")
    #expect(try lenient.run(files, withDigests: false).round.clients.count == 2)
    #expect(throws: AdapterError.self) {
      try lenient.run(files + [try damaged("y")], withDigests: false)
    }
  }

  @Test func majorityDecidesWhichBaseIsRight() throws {
    var clients = SampleRound.clients(3)
    clients[0].base = "other"
    let files = try sample.files(clients)
    #expect(
      throws: AggregationError.otherBase(path: files[0].path, found: "other", expected: "base")
    ) { try AggregationJob(rule).adapter(files) }
  }

  @Test func resultSaysWhereItComesFrom() throws {
    let outcome = try AggregationJob(rule).run(
      try sample.files(SampleRound.clients(2)), withDigests: false)
    let provenance = try #require(outcome.adapter.provenance)
    #expect(provenance.base == "base" && provenance.parent == "parent")
    #expect(provenance.records == 30 && provenance.tokens == 212 && provenance.targetTokens == 90)
    #expect(provenance.qualityTokens == 75 && provenance.round == 1 && provenance.client == nil)
    #expect(provenance.clients == ["0", "1"] && provenance.rule == "fedavg")
    #expect(outcome.warnings.isEmpty)
  }

  @Test func whatShouldBeKnownIsSaid() throws {
    var clients = SampleRound.clients(3)
    clients[0].base = nil
    clients[1].parent = "elsewhere"
    clients[2].name = "1"
    let outcome = try AggregationJob(rule).run(try sample.files(clients), withDigests: false)
    #expect(outcome.warnings.count == 3)
    #expect(outcome.warnings[0].hasPrefix("1 of 3 adapters do not say which base model"))
    #expect(outcome.warnings[1].hasPrefix("the clients started from different adapters"))
    #expect(outcome.warnings[2] == "client \"1\" takes part 2 times")
    #expect(outcome.adapter.provenance?.parent == nil)
  }

  @Test func reportHoldsTheRound() throws {
    let job = try AggregationJob(rule, minimum: 1)
    let files = try sample.files(SampleRound.clients(2)) + [try damaged("x")]
    let outcome = try job.run(files, withDigests: true)
    let bytes = AggregationReport(outcome, of: job).line(digest: "d", bytesOut: 12)
    #expect(bytes.last == 0x0a)
    let line = try JSONValue(parsing: bytes)
    #expect(line.object?.keys.prefix(3) == ["type", "v", "rule"])
    #expect(line["round"]?.int == 1 && line["adapter"]?.text == "d" && line["bytes_out"]?.int == 12)
    #expect(line["bytes_in"]?.int == files[0].byteCount + files[1].byteCount)
    #expect(line["effective_clients"]?.number == 1 / (1.0 / 9 + 4.0 / 9))
    let clients = try #require(line["clients"]?.elements)
    #expect(clients.map { $0["client"]?.text } == ["0", "1"])
    #expect(clients[1]["adapter"]?.text == files[1].digest())
    #expect(line["refused"]?.elements?.first?["client"]?.text == "x")
    #expect(line["modules"]?.elements?.count == 2)
  }
}
