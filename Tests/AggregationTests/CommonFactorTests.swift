// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Streams
import TestSupport
import Testing

/// `ffa` and `alternate`.
@Suite struct CommonFactorTests {
  let sample: SampleRound
  init() throws { sample = try SampleRound() }

  private func clients(_ trained: String?, alphas: [Double] = [6, 6, 6]) -> [SampleRound.Client] {
    zip(SampleRound.clients(3), alphas).map { client, alpha in
      var client = client
      client.trained = trained
      client.alpha = alpha
      if trained == "A" {
        client.seedA = client.seed + 50
        client.seed = 9
      } else {
        client.seedA = 9
      }
      return client
    }
  }

  @Test(arguments: [("ffa", "B"), ("alternate", "B"), ("alternate", "A")], [[6.0, 6, 6], [6, 12, 3]])
  func meanOfOneFactorIsExact(rule: (String, String), alphas: [Double]) throws {
    let clients = clients(rule.1, alphas: alphas)
    let result = try AggregationJob(try RuleCatalog.entry(rule.0)).adapter(
      try sample.files(clients))
    let adapters = clients.map(SampleRound.adapter)
    for index in result.modules.indices {
      let exact = Dense.sum(adapters, [1.0 / 6, 2.0 / 6, 3.0 / 6], index)
      #expect(
        Dense.distance(Dense.update(result, index), exact) <= 1e-6 * Dense.norm(exact))
      if rule.1 == "B" {
        #expect(result.modules[index].loraA == adapters[0].modules[index].loraA)
      } else {
        #expect(result.modules[index].loraB == adapters[0].modules[index].loraB)
      }
    }
  }

  @Test func anotherCommonFactorIsRefused() throws {
    var clients = clients("B")
    clients[1].seedA = 10
    for name in ["ffa", "alternate"] {
      let files = try sample.files(clients)
      do {
        _ = try AggregationJob(try RuleCatalog.entry(name)).adapter(files)
        Issue.record("accepted")
      } catch let error as AggregationError {
        #expect(
          error
            == .otherFactor(
              path: files[1].path, module: SampleRound.paths[0], factor: .a, first: files[0].path))
        #expect(error.category == .unsupportedConfiguration && error.hint != nil)
      }
    }
  }

  @Test func alternateNeedsOneAnswer() throws {
    let rule = try RuleCatalog.entry("alternate")
    for trained in [nil, "AB"] {
      let files = try sample.files(clients(trained))
      #expect(throws: AggregationError.self) { try AggregationJob(rule).adapter(files) }
    }
    var clients = clients("B")
    clients[2].trained = "A"
    let files = try sample.files(clients)
    #expect(
      throws: AggregationError.notAlternating(path: files[2].path, trained: "A", expected: "B")
    ) { try AggregationJob(rule).adapter(files) }
  }
}
