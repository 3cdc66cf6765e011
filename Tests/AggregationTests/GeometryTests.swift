// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Streams
import TestSupport
import Testing

/// What the report says of clients and modules, against dense matrices.
@Suite struct GeometryTests {
  let sample: SampleRound
  init() throws { sample = try SampleRound() }

  private func event(
    _ rule: String, _ clients: [SampleRound.Client]
  ) throws -> (line: JSONValue, result: Adapter) {
    let job = try AggregationJob(try RuleCatalog.entry(rule))
    let outcome = try job.run(try sample.files(clients), withDigests: false)
    let line = AggregationReport(outcome, of: job).line(digest: "d", bytesOut: 1)
    return (try JSONValue(parsing: line), outcome.adapter)
  }

  /// `fedavg` takes the differences to the mean, `svd` whole updates: both must say the same.
  @Test(arguments: ["fedavg", "svd"], [[6.0, 6, 6], [6, 12, 3]])
  func numbersAreThoseOfTheDenseUpdates(rule: String, alphas: [Double]) throws {
    var clients = SampleRound.clients(3)
    for index in clients.indices { clients[index].alpha = alphas[index] }
    let (line, result) = try event(rule, clients)
    let adapters = clients.map(SampleRound.adapter)
    let weights = [1.0 / 6, 2.0 / 6, 3.0 / 6]
    func whole(_ coefficients: [Double]) -> [Double] {
      adapters[0].modules.indices.flatMap { Dense.sum(adapters, coefficients, $0) }
    }
    func cosine(_ x: [Double], _ y: [Double]) -> Double {
      zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } / Dense.norm(x) / Dense.norm(y)
    }
    func expectNear(_ value: JSONValue?, _ expected: Double, _ tolerance: Double = 1e-6) {
      #expect(abs((value?.number ?? .nan) - expected) <= tolerance * max(1, abs(expected)))
    }
    let mean = whole(weights)
    for index in 0..<3 {
      let unit = (0..<3).map { $0 == index ? 1.0 : 0 }
      let others = whole((0..<3).map { $0 == index ? 0 : weights[$0] / (1 - weights[index]) })
      let client = line["clients"]?.elements?[index]
      expectNear(client?["norm"], Dense.norm(whole(unit)))
      expectNear(client?["cosine"], cosine(whole(unit), mean))
      expectNear(client?["agreement"], cosine(whole(unit), others))
      expectNear(client?["leave_one_out"], Dense.distance(mean, others) / Dense.norm(mean))
      for other in 0..<index {
        let second = whole((0..<3).map { $0 == other ? 1.0 : 0 })
        expectNear(line["cosines"]?.elements?[index].elements?[other], cosine(whole(unit), second))
        expectNear(
          line["distances"]?.elements?[index].elements?[other],
          Dense.distance(whole(unit), second))
      }
    }
    let modules = try #require(line["modules"]?.elements)
    for (index, module) in modules.enumerated() {
      let exact = Dense.sum(adapters, weights, index)
      let found = Dense.update(result, index)
      expectNear(module["norm"], Dense.norm(exact))
      expectNear(module["drift"], Dense.distance(exact, found) / Dense.norm(exact))
      let values = Dense.singularValues(found, rows: 7, columns: 5)
      for (value, expected) in zip(module["singular_values"]?.elements ?? [], values) {
        expectNear(value, expected, 1e-5)
      }
      let rank = module["effective_rank"]?.number ?? 0
      #expect(rank > 1 && rank <= 3)
      let truncation = module["truncation"]?.number
      #expect((truncation != nil) == (rule == "svd"))
      if let truncation {
        #expect(abs(truncation - Dense.distance(exact, found)) <= 1e-6 * Dense.norm(exact))
      }
    }
  }

  @Test func copiesDoNotDriftAndOneClientHasNoOthers() throws {
    let same = (0..<3).map { SampleRound.Client(name: "\($0)") }
    let (line, _) = try event("fedavg", same)
    #expect(line["drift"]?.number == 0)
    #expect(abs((line["cosines"]?.elements?[2].elements?[1].number ?? 0) - 1) < 1e-6)
    let (alone, _) = try event("fedavg", [SampleRound.Client()])
    #expect(alone["clients"]?.elements?[0]["leave_one_out"]?.isNull == true)
  }

  @Test(arguments: AdapterEncoding.allCases)
  func lossOfFewerBitsIsThatOfTheDenseUpdates(encoding: AdapterEncoding) {
    let adapter = SampleRound.adapter(SampleRound.Client())
    let rounded = adapter.rounded(to: encoding)
    let loss = EncodingLoss(adapter, rounded)
    var (difference, whole, largest) = (0.0, 0.0, Float(0))
    for index in adapter.modules.indices {
      let (x, y) = (Dense.update(adapter, index), Dense.update(rounded, index))
      difference += zip(x, y).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      whole += x.reduce(0) { $0 + $1 * $1 }
      for (a, b) in zip(
        adapter.modules[index].loraA + adapter.modules[index].loraB,
        rounded.modules[index].loraA + rounded.modules[index].loraB)
      {
        largest = max(largest, abs(a - b))
      }
    }
    #expect(loss.largest == largest)
    #expect(abs(Double(loss.relative) - (difference / whole).squareRoot()) < 1e-6)
    #expect((loss.relative == 0) == (encoding == .float32) && loss.isFinite)
  }

  @Test func overflowOfHalvesIsSeen() {
    var adapter = SampleRound.adapter(SampleRound.Client())
    let module = adapter.modules[0]
    adapter.setFactors(0, loraA: module.loraA.map { _ in 1e6 }, loraB: module.loraB)
    #expect(!EncodingLoss(adapter, adapter.rounded(to: .float16)).isFinite)
    #expect(EncodingLoss(adapter, adapter.rounded(to: .bfloat16)).isFinite)
  }

  @Test func descriptionNamesWhatIsNotFinite() throws {
    var adapter = SampleRound.adapter(SampleRound.Client())
    var values = adapter.modules[1].loraA
    values[2] = .infinity
    adapter.setFactors(1, loraA: values, loraB: adapter.modules[1].loraB)
    try AdapterWriter.write(adapter, to: sample.folder.file("bad"))
    let file = try AdapterReader.open(path: sample.folder.file("bad"))
    let line = try JSONValue(parsing: AdapterDescription(file, threads: 1).line)
    #expect(line["finite"]?.bool == false)
    #expect(line["fault"]?.text?.contains("lora_A.weight") == true)
    #expect(line["norm"] == nil && line["modules"]?.elements?.count == 2)
  }
}
