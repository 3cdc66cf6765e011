// SPDX-License-Identifier: Apache-2.0
import Adapters
import Foundation
import Records
import Reporting
import Streams
import TestSupport
import Testing

@Suite struct RunReaderTests {
  @Test func readsEveryPart() throws {
    let fixture = try RunFixture()
    let run = try RunReader().read(fixture.path)
    #expect(run.name == "run")
    #expect(run.clients == [ClientID("0"), ClientID("1")])
    let plan = try #require(run.plan)
    #expect(plan.source == "shards/plan.json")
    #expect(plan.summary == "by length (dirichlet, alpha 0.5)")
    #expect(plan.mainIndex?.njs == 0.05)
    #expect(plan.bins.first?.labels == ["<30", "≥30"])
    #expect(run.shards.map(\.records) == [6, 6])
    #expect(run.shards[1].lengths.sorted() == [40, 40, 45, 45, 50, 55])
    #expect(run.trainings.count == 6)
    #expect(run.trainings.allSatisfy { $0.steps.count == 4 && $0.tokens == 200 })
    #expect(run.aggregations.map(\.round) == [1, 2])
    #expect(run.aggregations[0].clients.map(\.weight) == [0.4, 0.6])
    #expect(run.manifests.count == 6)
    #expect(run.manifests[0].seed == "18446744073709551615")
    #expect(run.evaluations.count == 13)
  }

  @Test func digestsOfThePlanAreCompared() throws {
    let fixture = try RunFixture()
    try fixture.write("shards/client-001.test.jsonl", "{\"text\":\"other\"}\n")
    let checked = try RunReader().read(fixture.path).checkedFiles
    func state(_ file: String, by source: String) -> Bool? {
      checked.first { $0.file == file && $0.saidBy.contains(source) }.map {
        $0.found == $0.expected
      }
    }
    #expect(state("shards/client-000.test.jsonl", by: "shards/plan.json") == true)
    #expect(state("shards/client-001.test.jsonl", by: "shards/plan.json") == false)
    // The manifests of the fixture name digests that are wrong.
    let manifest = "arm-federated/round-001/client-000.manifest.json"
    #expect(state("shards/client-000.train.jsonl", by: manifest) == false)
  }

  @Test func meansAreSumsOverTargetTokens() throws {
    let fixture = try RunFixture()
    let outcome = Outcome(try RunReader().read(fixture.path))
    #expect(abs(try #require(outcome.base).loss - 3.76) < 1e-12)
    #expect(abs(try #require(outcome.global).loss - 3.2) < 1e-12)
    // Clients 0 and 1: 3.30 and 3.50 on the same 100 tokens.
    #expect(abs(try #require(outcome.own).loss - 3.4) < 1e-12)
    #expect(outcome.lastRound == 2)
    #expect(outcome.worst?.client == ClientID("1"))
    // Own records: (3.10 · 100 + 3.30 · 300) / 400, not the mean of the two means.
    let own = try #require(Outcome.Pooled(outcome.clients.compactMap(\.global)))
    #expect(abs(own.loss - 3.25) < 1e-12)
    #expect(
      outcome.sentences == [
        "On the held-out records the global model of round 2 has a loss of 3.200 nats per target "
          + "token, 0.560 below the base model (3.760).",
        "A client's model trained on its own data only has 3.400 on the same records, averaged over "
          + "2 clients; federation is better by 0.200.",
        "The global model does worst on the records of client 1: 3.300, where its own model has "
          + "3.600; it beats the client's own model for 1 of 2 clients.",
      ])
  }

  @Test func adaptersNameTheirParents() throws {
    let fixture = try RunFixture()
    func write(_ name: String, value: Float, parent: String?) throws -> String {
      var origin = AdapterProvenance(tool: "cl-train 0.1.0")
      origin.parent = parent
      origin.client = "001"
      let module = AdapterModule(
        path: "model.layers.0.self_attn.q_proj", rank: 1, inputSize: 2, outputSize: 1, alpha: 2,
        loraA: [value, 1], loraB: [0])
      let adapter = Adapter(
        config: AdapterConfig(rank: 1, alpha: 2, targets: .modules(["q_proj"])), modules: [module],
        provenance: origin)
      _ = try AdapterWriter.write(adapter, to: "\(fixture.path)/\(name)")
      return adapter.digest()
    }
    let first = try write("initial.safetensors", value: 1, parent: nil)
    let second = try write(
      "arm-federated/round-001/client-001.safetensors", value: 2, parent: first)
    let run = try RunReader().read(fixture.path)
    #expect(run.adapters.map(\.digest) == [second, first])
    #expect(run.adapters.map(\.parent) == [first, nil])
    #expect(run.adapters[0].client == ClientID("1"))
    let page = String(decoding: try Report(runs: [run], tool: "t").html(), as: UTF8.self)
    #expect(page.contains("<code>initial.safetensors</code></td><td class=\"t\">client 1"))
    try fixture.write("initial.safetensors", "damaged")
    #expect(throws: AdapterError.self) { try RunReader().read(fixture.path) }
  }

  @Test func clientsAreTheSameUnderEachName() {
    #expect(ClientID("007") == ClientID("7"))
    #expect(ClientID("000") == ClientID("0"))
    #expect(ClientID(fileName: "client-012.train.jsonl") == ClientID("12"))
    #expect(ClientID(fileName: "global.safetensors") == nil)
    #expect(
      ["10", "b", "9", "a"].map(ClientID.init).sorted().map(\.name) == ["9", "10", "a", "b"])
  }

  @Test func damagedLineIsPlaced() throws {
    let fixture = try RunFixture()
    let file = "arm-federated/round-001/client-000.events.jsonl"
    try fixture.write(file, "{\"type\":\"train_start\",\"v\":1}\n{\"type\":\"step\",\n")
    #expect {
      try RunReader().read(fixture.path)
    } throws: { error in
      let error = error as? RecordError
      return error?.place == RecordLocation(file: "\(fixture.path)/\(file)", line: 2)
        && error?.category == .badData
    }
    let run = try RunReader(skipInvalid: 1).read(fixture.path)
    #expect(run.trainings.count == 6)
  }

  @Test(arguments: [
    (#"{"type":"step","v":1,"loss":"low"}"#, "loss"),
    (#"{"type":"step","v":1,"loss":1e999}"#, "loss"),
    (#"{"type":"step","v":1}"#, "loss"),
    (#"{"type":"train_end","v":1,"tokens":-1}"#, "tokens"),
    (#"{"type":"train_end","v":1,"tokens":9223372036854775807}"#, "tokens"),
    (#"{"type":"aggregate","v":1,"clients":{}}"#, "clients"),
    (#"{"type":"aggregate","v":1,"clients":[1]}"#, "clients[0]"),
    (#"{"type":"plan","v":1,"bins":{"counts":[["a"]]}}"#, "counts[0][0]"),
    (#"{"type":"plan","v":1,"bins":{"counts":[[0.5]]}}"#, "counts[0]"),
    (#"{"type":"score_summary","v":1,"nll":[]}"#, "nll"),
    (#"{"text":"a","cl_score":{"tokens":"many"}}"#, "cl_score.tokens"),
  ])
  func wrongFieldIsNamed(line: String, field: String) throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write("lines.jsonl", line + "\n")
    #expect {
      try RunReader().read(path)
    } throws: { error in
      switch error as? RecordError {
      case .wrongType(let place, let found, _, _), .missingField(let place, let found):
        place.line == 1 && found == field
      default: false
      }
    }
  }

  @Test func objectMayStandOnManyLines() throws {
    let fixture = try RunFixture()
    try fixture.write(
      "eval/base.heldout.json",
      "{\n  \"type\": \"score_summary\",\n  \"v\": 1,\n  \"target_tokens\": 10,\n  \"nll\": 50\n}\n"
    )
    let run = try RunReader().read(fixture.path)
    #expect(Outcome(run).base?.loss == 5)
    try fixture.write("eval/base.heldout.json", "{\n  \"type\": \"score_summary\",\n  oops\n}\n")
    #expect {
      try RunReader().read(fixture.path)
    } throws: {
      ($0 as? RecordError)?.place.line == 3
    }
  }

  @Test func foldersThatAreNoRunAreRefused() throws {
    let folder = try TemporaryDirectory()
    #expect(throws: ReportError.noRun(path: folder.path)) { try RunReader().read(folder.path) }
    #expect(throws: StreamError.self) { try RunReader().read(folder.file("missing")) }
    let path = try folder.write("a.jsonl", "{\"text\":\"unscored\"}\n")
    #expect(throws: ReportError.nothingToReport(name: path)) { try RunReader().read(path) }
  }

  @Test func streamMixesRecordsAndLines() throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write(
      "mixed.jsonl",
      """
      {"text":"a","cl_score":{"v":1,"tokens":10,"target_tokens":9,"quality":0.5,"nll":18}}

      {"type":"score_summary","v":1,"records":2,"target_tokens":19,"nll":38}
      {"type":"later","v":9}
      {"text":"b","cl_score":{"v":1,"tokens":12,"target_tokens":10,"quality":0.7,"nll":20},"cl_shard":{"v":1,"client":"2"}}
      {"type":"step","v":1,"step":1,"loss":2.5,"tokens":4}

      """)
    let run = try RunReader().read(path)
    #expect(!run.isFolder)
    #expect(run.recordLosses.map(\.targetTokens) == [9, 10])
    #expect(run.shards.map(\.client) == [nil, ClientID("2")])
    #expect(run.evaluations.map(\.loss) == [2])
    #expect(run.trainings.map(\.tokens) == [4])
    #expect(run.unknownLines == ["later": 1])
  }
}

@Suite struct ReportDocumentationTests {
  @Test func samplesAreRead() throws {
    let text = try String(
      contentsOfFile: "\(PackageLayout.root)/Documentation/formats/report.md", encoding: .utf8)
    let sample = try #require(text.firstMatch(of: #/```json\n([\s\S]*?)```/#)).1
    let folder = try TemporaryDirectory()
    let run = try RunReader().read(try folder.write("sample.jsonl", String(sample)))
    #expect(run.recordLosses.count == 1)
    #expect(run.evaluations.map(\.loss) == [5])
    #expect(run.trainings.map(\.client) == [ClientID("3")])
    #expect(run.unknownLines.isEmpty)
  }
}
