// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Streams
import TestSupport
import Testing

/// What every rule of the catalog promises (see `AggregationRule`).
@Suite struct RuleLawTests {
  let sample: SampleRound
  init() throws { sample = try SampleRound() }

  /// Rounding of one float32 result a factor.
  private static let tolerance = 1e-6

  private func expectSameUpdate(_ left: Adapter, _ right: Adapter) {
    #expect(left.modules.map(\.path) == right.modules.map(\.path))
    for index in left.modules.indices {
      let (a, b) = (Dense.update(left, index), Dense.update(right, index))
      #expect(Dense.distance(a, b) <= Self.tolerance * Dense.norm(b))
    }
  }

  private static func leastClients(_ rule: RuleCatalog.Entry) -> Int {
    rule.traits.contains(.needsThree) ? 3 : 1
  }

  /// Rules that drop values on purpose keep all of them here.
  private static func keepingAll(_ rule: RuleCatalog.Entry) -> RuleOptions {
    var options = RuleOptions()
    if rule.options.contains(.density) { options.density = 1 }
    return options
  }

  @Test(arguments: RuleCatalog.all, [1, 2, 3, 7, 10])
  func copiesAreAFixedPoint(rule: RuleCatalog.Entry, count: Int) throws {
    let clients = (0..<count).map {
      SampleRound.Client(name: "\($0)", records: 3 + $0, trained: "B")
    }
    let files = try sample.files(clients)
    guard count >= Self.leastClients(rule) else {
      #expect(throws: AggregationError.self) { try AggregationJob(rule).adapter(files) }
      return
    }
    let result = try AggregationJob(rule, options: Self.keepingAll(rule)).adapter(files)
    expectSameUpdate(result, SampleRound.adapter(clients[0]))
  }

  @Test(arguments: RuleCatalog.all)
  func orderAndThreadsChangeNoByte(rule: RuleCatalog.Entry) throws {
    // Two clients share a name, two adapters their content.
    var clients = SampleRound.clients(5, for: rule)
    clients[3].name = clients[1].name
    clients[4].seed = clients[2].seed
    clients[4].name = nil
    let files = try sample.files(clients)
    let expected = try sample.bytes(try AggregationJob(rule).adapter(files))
    for (order, threads) in [([4, 3, 2, 1, 0], 2), ([2, 0, 4, 1, 3], 3), ([1, 2, 3, 4, 0], 1)] {
      let job = try AggregationJob(rule, threads: threads)
      #expect(try sample.bytes(try job.adapter(order.map { files[$0] })) == expected)
    }
  }

  @Test(arguments: RuleCatalog.all)
  func weightsAreFreeOfScale(rule: RuleCatalog.Entry) throws {
    let files = try sample.files(SampleRound.clients(3, for: rule))
    guard !rule.ignoresWeights else {
      #expect(throws: AggregationError.unusedWeights(rule: rule.name)) {
        try AggregationJob(rule, .records)
      }
      return
    }
    func weigh(_ factor: Double) throws -> Adapter {
      let lines = (0..<3).map { "\($0)\t\(factor * Double($0 + 1))\n" }.joined()
      let path = try sample.folder.write("weights", lines)
      return try AggregationJob(rule, .file(path)).adapter(files)
    }
    let one = try weigh(1)
    expectSameUpdate(try weigh(1000), one)
    expectSameUpdate(try weigh(1e-300), one)
    expectSameUpdate(try weigh(5e307), one)
    expectSameUpdate(try AggregationJob(rule).adapter(files), one)
  }

  @Test(arguments: RuleCatalog.all.filter { !$0.ignoresWeights })
  func allTheWeightGivesThatClient(rule: RuleCatalog.Entry) throws {
    let clients = SampleRound.clients(3, for: rule)
    let files = try sample.files(clients)
    let path = try sample.folder.write("weights", "0\t0\n1\t5\n2\t0\n")
    let options = Self.keepingAll(rule)
    if rule.name != "clip" {
      let result = try AggregationJob(rule, .file(path), options: options).adapter(files)
      expectSameUpdate(result, SampleRound.adapter(clients[1]))
    }
    expectSameUpdate(
      try AggregationJob(rule, options: options).adapter([files[2]]), SampleRound.adapter(clients[2]))
  }

  /// Rules that do not start from a common parent see only the product: turning a client's factors
  /// against each other changes nothing.
  @Test(arguments: RuleCatalog.all.filter { !$0.needsCommonParent && $0.name != "krum" })
  func factorizationMattersOnlyWhereTheCatalogSaysSo(rule: RuleCatalog.Entry) throws {
    let clients = SampleRound.clients(5, for: rule)
    let files = try sample.files(clients)
    if rule.traits.contains(.commonFactor) { return }
    var turned = SampleRound.adapter(clients[2])
    for (index, module) in turned.modules.enumerated() {
      turned.setFactors(
        index, loraA: module.loraA.map { $0 * 4 }, loraB: module.loraB.map { $0 / 4 })
    }
    try AdapterWriter.write(turned, to: sample.folder.file("turned.safetensors"))
    let other = try AdapterReader.open(path: sample.folder.file("turned.safetensors"))
    expectSameUpdate(
      try AggregationJob(rule).adapter(files.map { $0.path == files[2].path ? other : $0 }),
      try AggregationJob(rule).adapter(files))
  }

  @Test(arguments: RuleCatalog.all)
  func valuesThatAreNoNumbersNeverComeThrough(rule: RuleCatalog.Entry) throws {
    let clients = SampleRound.clients(5, for: rule)
    var files = try sample.files(clients)
    for bad in [Float.nan, .infinity, -.infinity] {
      var adapter = SampleRound.adapter(clients[1])
      var values = adapter.modules[0].loraB
      values[3] = bad
      adapter.setFactors(0, loraA: adapter.modules[0].loraA, loraB: values)
      try AdapterWriter.write(adapter, to: sample.folder.file("bad.safetensors"))
      files[1] = try AdapterReader.open(path: sample.folder.file("bad.safetensors"))
      #expect(throws: AdapterError.self) { try AggregationJob(rule).adapter(files) }
      let path = try sample.folder.write("weights", "0\t1\n1\t0\n2\t1\n3\t1\n4\t1\n")
      if !rule.ignoresWeights {
        #expect(throws: AdapterError.self) {
          try AggregationJob(rule, .file(path)).adapter(files)
        }
      }
      let outcome = try AggregationJob(rule, minimum: 4).run(files, withDigests: false)
      #expect(outcome.round.clients.map(\.client) == ["0", "2", "3", "4"])
      #expect(outcome.adapter.modules.allSatisfy { ($0.loraA + $0.loraB).allSatisfy { $0.isFinite } })
    }
  }

  @Test(arguments: RuleCatalog.all)
  func incompatibleAdaptersAreRefused(rule: RuleCatalog.Entry) throws {
    let good = SampleRound.clients(2, for: rule)
    var bad: [SampleRound.Client] = []
    for change in [
      { $0.base = "other" }, { $0.paths = [SampleRound.paths[0]] },
      { $0.paths = SampleRound.paths + ["model.layers.2.mlp.up_proj"] }, { $0.inputSize = 6 },
      { $0.paths[0] = "model.layers.0.self_attn.a_proj" },
    ] as [(inout SampleRound.Client) -> Void] {
      var client = SampleRound.Client(name: "9")
      change(&client)
      bad.append(client)
    }
    if rule.needsEqualRanks { bad.append(SampleRound.Client(name: "9", rank: 4)) }
    for client in bad {
      let files = try sample.files(good + [client])
      do {
        _ = try AggregationJob(rule).adapter(files)
        Issue.record("accepted \(client)")
      } catch let error as AggregationError {
        // Left to itself a rule might come first with a refusal of its own.
        #expect(error.category == .unsupportedConfiguration)
        #expect(error.location == files[2].path)
      }
    }
  }

  @Test func namesAreUniqueAndUnknownOnesRefused() {
    #expect(Set(RuleCatalog.all.map(\.name)).count == RuleCatalog.all.count)
    #expect(throws: AggregationError.unknownRule("mean")) { try RuleCatalog.entry("mean") }
  }
}
