// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Streams
import TestSupport
import Testing

@Suite struct FederatedAveragingTests {
  let sample: SampleRound
  let rule: RuleCatalog.Entry
  init() throws {
    sample = try SampleRound()
    rule = try RuleCatalog.entry("fedavg")
  }

  private func mean(_ values: [[Float]], _ weights: [Double]) -> [Float] {
    values[0].indices.map { index in
      Float(zip(values, weights).reduce(0) { $0 + $1.1 * Double($1.0[index]) })
    }
  }

  /// Largest difference relative to 2⁻²⁴ of the value: half a float32 step is 1.
  private func expectClose(_ found: [Float], _ expected: [Float]) {
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= max(abs($1), 1e-30).ulp })
  }

  @Test func copiesComeBackBitForBit() throws {
    for count in 1...10 {
      let clients = (0..<count).map { SampleRound.Client(name: "\($0)", records: 3 * $0 + 1) }
      let result = try AggregationJob(rule).adapter(try sample.files(clients))
      #expect(result.digest() == SampleRound.adapter(clients[0]).digest())
      #expect(result.config.alpha == 6 && result.config.rank == 3)
    }
  }

  @Test func factorsAreAveragedApart() throws {
    let clients = SampleRound.clients(4)
    let adapters = clients.map(SampleRound.adapter)
    let result = try AggregationJob(rule).adapter(try sample.files(clients))
    for index in result.modules.indices {
      expectClose(
        result.modules[index].loraA,
        mean(adapters.map { $0.modules[index].loraA }, [0.1, 0.2, 0.3, 0.4]))
      expectClose(
        result.modules[index].loraB,
        mean(adapters.map { $0.modules[index].loraB }, [0.1, 0.2, 0.3, 0.4]))
    }
  }

  /// Alpha and rsLoRA that give the same scale are no reason to fold.
  @Test func equalScalesKeepTheClientsConfiguration() throws {
    let clients = [
      SampleRound.Client(name: "0", rank: 4, alpha: 8),
      SampleRound.Client(name: "1", rank: 4, alpha: 4, isRankStabilized: true, seed: 2),
    ]
    let result = try AggregationJob(rule).adapter(try sample.files(clients))
    #expect(result.config.alpha == 8 && !result.config.isRankStabilized)
    let adapters = clients.map(SampleRound.adapter)
    expectClose(
      result.modules[0].loraA, mean(adapters.map { $0.modules[0].loraA }, [0.5, 0.5]))
  }

  @Test func unequalScalesAreFoldedIntoBothFactors() throws {
    let clients = [
      SampleRound.Client(name: "0", rank: 4, alpha: 8),
      SampleRound.Client(name: "1", rank: 4, alpha: 2, seed: 2),
      SampleRound.Client(name: "2", rank: 4, alpha: 4, isRankStabilized: true, seed: 3),
    ]
    let result = try AggregationJob(rule, .uniform).adapter(try sample.files(clients))
    #expect(result.scale(of: result.modules[0]) == 1)
    #expect(!result.config.isRankStabilized)
    let roots = [2.0, 0.5, 2.0].map { $0.squareRoot() / 3 }
    let adapters = clients.map(SampleRound.adapter)
    expectClose(result.modules[1].loraB, mean(adapters.map { $0.modules[1].loraB }, roots))
    // One client alone keeps its update whatever its scale.
    let one = try AggregationJob(rule).adapter(try sample.files([clients[2]]))
    #expect(one.digest() == adapters[2].digest())
  }

  @Test func driftIsThatOfTheDenseMatrices() throws {
    for alphas in [[6.0, 6, 6], [6, 12, 3]] {
      var clients = SampleRound.clients(3)
      for index in 0..<3 { clients[index].alpha = alphas[index] }
      let job = try AggregationJob(rule)
      let outcome = try job.run(try sample.files(clients), withDigests: true)
      let report = AggregationReport(outcome, of: job)
      let adapters = clients.map(SampleRound.adapter)
      var total = (exact: 0.0, residual: 0.0)
      for index in outcome.adapter.modules.indices {
        var exact = [Double](repeating: 0, count: SampleRound.outputSize * SampleRound.inputSize)
        for (adapter, weight) in zip(adapters, [1.0 / 6, 2.0 / 6, 3.0 / 6]) {
          let update = Dense.update(adapter, index)
          for position in exact.indices { exact[position] += weight * update[position] }
        }
        let residual = Dense.distance(exact, Dense.update(outcome.adapter, index))
        let found = report.modules[index]
        #expect(abs(found.norm / Dense.norm(exact) - 1) < 1e-12)
        // The result is rounded to float32, the identity is not.
        #expect(abs((found.drift ?? 0) / (residual / Dense.norm(exact)) - 1) < 1e-6)
        total.exact += Dense.norm(exact) * Dense.norm(exact)
        total.residual += residual * residual
      }
      let drift = (total.residual / total.exact).squareRoot()
      #expect(abs((report.drift ?? 0) / drift - 1) < 1e-6)
      #expect((report.drift ?? 0) > 0.1)
    }
  }

  @Test func copiesDoNotDrift() throws {
    let clients = (0..<3).map { SampleRound.Client(name: "\($0)", records: 5 + $0) }
    let job = try AggregationJob(rule)
    let outcome = try job.run(try sample.files(clients), withDigests: true)
    #expect(AggregationReport(outcome, of: job).drift == 0)
  }

  /// FedAvg of factors depends on how each update is factored; the catalog says so.
  @Test func averageIsNotFreeOfTheFactorization() throws {
    let clients = SampleRound.clients(2)
    let adapters = clients.map(SampleRound.adapter)
    var turned = adapters[1]
    for (index, module) in turned.modules.enumerated() {
      turned.setFactors(
        index, loraA: module.loraA.map { $0 * 4 }, loraB: module.loraB.map { $0 / 4 })
    }
    let folder = sample.folder
    let files = try sample.files(clients)
    try AdapterWriter.write(turned, to: folder.file("turned.safetensors"))
    let other = try AdapterReader.open(path: folder.file("turned.safetensors"))
    let plain = try AggregationJob(rule).adapter(files)
    let changed = try AggregationJob(rule).adapter([files[0], other])
    let distance = Dense.distance(Dense.update(plain, 0), Dense.update(changed, 0))
    #expect(distance > 0.01 * Dense.norm(Dense.update(plain, 0)))
    #expect(rule.needsCommonParent)
  }
}
