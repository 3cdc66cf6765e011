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

  @Test(arguments: RuleCatalog.all, [1, 2, 3, 7, 10])
  func copiesAreAFixedPoint(rule: RuleCatalog.Entry, count: Int) throws {
    let clients = (0..<count).map { SampleRound.Client(name: "\($0)", records: 3 + $0) }
    let result = try AggregationJob(rule).adapter(try sample.files(clients))
    expectSameUpdate(result, SampleRound.adapter(clients[0]))
  }

  @Test(arguments: RuleCatalog.all)
  func orderChangesNoByte(rule: RuleCatalog.Entry) throws {
    // Two clients share a name, two adapters their content.
    var clients = SampleRound.clients(5)
    clients[3].name = clients[1].name
    clients[4].seed = clients[2].seed
    clients[4].name = nil
    let files = try sample.files(clients)
    let job = AggregationJob(rule)
    let expected = try sample.bytes(try job.adapter(files))
    for order in [[4, 3, 2, 1, 0], [2, 0, 4, 1, 3], [1, 2, 3, 4, 0]] {
      #expect(try sample.bytes(try job.adapter(order.map { files[$0] })) == expected)
    }
  }

  @Test(arguments: RuleCatalog.all)
  func weightsAreFreeOfScale(rule: RuleCatalog.Entry) throws {
    let files = try sample.files(SampleRound.clients(3))
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

  @Test(arguments: RuleCatalog.all)
  func allTheWeightGivesThatClient(rule: RuleCatalog.Entry) throws {
    let clients = SampleRound.clients(3)
    let files = try sample.files(clients)
    let path = try sample.folder.write("weights", "0\t0\n1\t5\n2\t0\n")
    let result = try AggregationJob(rule, .file(path)).adapter(files)
    expectSameUpdate(result, SampleRound.adapter(clients[1]))
    expectSameUpdate(
      try AggregationJob(rule).adapter([files[2]]), SampleRound.adapter(clients[2]))
  }

  @Test(arguments: RuleCatalog.all)
  func incompatibleAdaptersAreRefused(rule: RuleCatalog.Entry) throws {
    let good = SampleRound.clients(2)
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
