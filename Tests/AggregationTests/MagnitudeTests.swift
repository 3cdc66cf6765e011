// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Privacy
import TestSupport
import Testing

/// DoRA's magnitude vectors: what averages them, and that nothing drops them.
@Suite struct MagnitudeTests {
  let sample: SampleRound
  init() throws { sample = try SampleRound() }

  private func adapter(_ client: SampleRound.Client, offset: Float = 0) -> Adapter {
    var adapter = SampleRound.adapter(client)
    adapter.config.isDecomposed = true
    for (index, module) in adapter.modules.enumerated() {
      var draws = Generator(seed: client.seed + 500)
      adapter.setMagnitude(index, (0..<module.outputSize).map { _ in 2 + offset + draws.next() })
    }
    return adapter
  }

  private func files(_ adapters: [Adapter]) throws -> [AdapterFile] {
    try adapters.enumerated().map { index, adapter in
      let path = sample.folder.file("d\(index).safetensors")
      try AdapterWriter.write(adapter, to: path)
      return try AdapterReader.open(path: path)
    }
  }

  @Test func fedavgAveragesThemLikeTheFactors() throws {
    let adapters = SampleRound.clients(3).map { adapter($0) }
    let result = try AggregationJob(try RuleCatalog.entry("fedavg")).adapter(try files(adapters))
    #expect(result.config.isDecomposed)
    for (index, module) in result.modules.enumerated() {
      let found = try #require(module.magnitude)
      for place in found.indices {
        let values = adapters.map { Double($0.modules[index].magnitude?[place] ?? 0) }
        #expect(found[place] == Float((values[0] + 2 * values[1] + 3 * values[2]) / 6))
      }
    }
    // What is written is read again, magnitudes and all.
    let path = sample.folder.file("mean.safetensors")
    try AdapterWriter.write(result, to: path)
    #expect(try AdapterReader.read(path: path).digest() == result.digest())
  }

  /// Unequal scales are folded into A and B; lengths of rows have none.
  @Test func scalesAreNotFoldedIntoThem() throws {
    let adapters = [6.0, 24].enumerated().map {
      adapter(SampleRound.Client(name: "\($0)", alpha: $1, seed: 4))
    }
    let result = try AggregationJob(try RuleCatalog.entry("fedavg"), .uniform).adapter(
      try files(adapters))
    #expect(result.modules.map(\.magnitude) == adapters[0].modules.map(\.magnitude))
  }

  @Test(arguments: RuleCatalog.all.filter { $0.name != "fedavg" })
  func everyOtherRuleRefusesThem(rule: RuleCatalog.Entry) throws {
    let files = try files(SampleRound.clients(5, for: rule).map { adapter($0) })
    #expect(throws: AggregationError.magnitudes(path: files[0].path)) {
      try AggregationJob(rule).adapter(files)
    }
  }

  @Test func serverPrivacyAndMasksRefuseThem() throws {
    let parent = try files([adapter(SampleRound.Client(name: nil, seed: 9, parent: nil))])[0]
    let clients = SampleRound.clients(3).map { client -> Adapter in
      var client = client
      client.parent = parent.digest()
      return adapter(client)
    }
    let path = sample.folder.file("parent.safetensors")
    try AdapterWriter.write(try parent.adapter(), to: path)
    let start = try AdapterReader.open(path: path)
    let files = try files(clients)
    let rule = try RuleCatalog.entry("fedavg")
    let secret = Array("sixteen bytes or more".utf8)
    for job in [
      try AggregationJob(
        rule: rule, parent: start, server: try ServerOptimizer(.fedadam), tool: "test"),
      try AggregationJob(
        rule: rule, parent: start,
        privacy: try ClientPrivacy(
          clipNorm: 1, noise: 1, allowsBothFactors: true, secret: secret), tool: "test"),
      try AggregationJob(
        rule: rule, parent: start, secure: SecureAveraging(lost: [], seed: 1), tool: "test"),
    ] {
      #expect(throws: AggregationError.magnitudes(path: files[0].path)) {
        try job.run(files, withDigests: false)
      }
    }
  }

  @Test func plainAdaptersDoNotMixWithThem() throws {
    let rule = try RuleCatalog.entry("fedavg")
    let mixed = try files(
      [adapter(SampleRound.Client(name: "0")), adapter(SampleRound.Client(name: "1"))]
        + [SampleRound.adapter(SampleRound.Client(name: "2"))])
    #expect(throws: AggregationError.otherKind(path: mixed[2].path, isDecomposed: false)) {
      try AggregationJob(rule).adapter(mixed)
    }
    let outcome = try AggregationJob(rule, minimum: 2).run(mixed, withDigests: false)
    #expect(outcome.refused.map(\.client) == ["2"])
  }

  /// A magnitude that is no number is found like any other value.
  @Test func theyAreCheckedLikeOtherValues() throws {
    var bad = adapter(SampleRound.Client(name: "1"))
    bad.setMagnitude(0, [.nan, 1, 1, 1, 1, 1, 1])
    let files = try files([adapter(SampleRound.Client(name: "0")), bad])
    #expect(throws: AdapterError.self) {
      try AggregationJob(try RuleCatalog.entry("fedavg")).adapter(files)
    }
  }
}
