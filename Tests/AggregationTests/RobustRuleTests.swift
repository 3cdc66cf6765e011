// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Streams
import TestSupport
import Testing

/// The robust rules against dense matrices and sorted lists.
@Suite struct RobustRuleTests {
  let sample: SampleRound
  init() throws { sample = try SampleRound() }

  /// Honest clients near one another, then hostile ones far away.
  private func adapters(honest: Int, hostile: Int) -> [Adapter] {
    (0..<honest + hostile).map { index in
      var client = SampleRound.Client(name: "\(index)")
      client.records = 10 * (index + 1)
      var adapter = SampleRound.adapter(client)
      var noise = Generator(seed: UInt64(index + 1))
      let (factor, spread): (Float, Float) = index < honest ? (1, 0.02) : (-30, 3)
      for (place, module) in adapter.modules.enumerated() {
        adapter.setFactors(
          place, loraA: module.loraA.map { $0 + spread * noise.next() },
          loraB: module.loraB.map { factor * $0 + spread * noise.next() })
      }
      return adapter
    }
  }

  private func files(_ adapters: [Adapter]) throws -> [AdapterFile] {
    try adapters.enumerated().map { index, adapter in
      let path = sample.folder.file("r\(index).safetensors")
      try AdapterWriter.write(adapter, to: path)
      return try AdapterReader.open(path: path)
    }
  }

  private func run(
    _ name: String, _ adapters: [Adapter], _ options: RuleOptions = RuleOptions(),
    parent: AdapterFile? = nil
  ) throws -> AggregationJob.Outcome {
    try AggregationJob(try RuleCatalog.entry(name), options: options, parent: parent).run(
      try files(adapters), withDigests: false)
  }

  private func vector(_ adapter: Adapter) -> [Double] {
    adapter.modules.indices.flatMap { Dense.update(adapter, $0) }
  }

  private func combination(_ adapters: [Adapter], _ coefficients: [Double]) -> [Double] {
    adapters[0].modules.indices.flatMap { Dense.sum(adapters, coefficients, $0) }
  }

  private func krumOrder(_ adapters: [Adapter], hostile: Int) -> [Int] {
    let vectors = adapters.map(vector)
    let scores = vectors.indices.map { i in
      vectors.indices.filter { $0 != i }.map {
        let distance = Dense.distance(vectors[i], vectors[$0])
        return distance * distance
      }.sorted().prefix(vectors.count - hostile - 2).reduce(0, +)
    }
    return scores.indices.sorted { scores[$0] < scores[$1] }
  }

  @Test(arguments: [(3, 0), (5, 1), (7, 2), (8, 2)])
  func krumTakesTheLowestScore(count: Int, hostile: Int) throws {
    let adapters = adapters(honest: count - hostile, hostile: hostile)
    let order = krumOrder(adapters, hostile: hostile)
    let outcome = try run("krum", adapters)
    #expect(outcome.result.coefficients == adapters.indices.map { $0 == order[0] ? 1 : 0 })
    #expect(outcome.adapter.digest() == adapters[order[0]].digest())
    #expect(order[0] < count - hostile)
  }

  @Test func multiKrumAveragesTheLowestScores() throws {
    let adapters = adapters(honest: 5, hostile: 2)
    var options = RuleOptions()
    options.rank = 5
    for keep in [nil, 1, 3, 7] {
      options.keep = keep
      let outcome = try run("multi-krum", adapters, options)
      let kept = krumOrder(adapters, hostile: 2).prefix(keep ?? 5)
      let expected = adapters.indices.map { kept.contains($0) ? 1 / Double(kept.count) : 0 }
      #expect(outcome.result.coefficients == expected)
      let exact = combination(adapters, expected)
      #expect(Dense.distance(vector(outcome.adapter), exact) <= 1e-6 * Dense.norm(exact))
    }
    options.keep = 8
    #expect(throws: AggregationError.self) { try run("multi-krum", adapters, options) }
  }

  @Test(arguments: ["krum", "multi-krum"])
  func krumNeedsEnoughClients(name: String) throws {
    var options = RuleOptions()
    options.hostile = 2
    #expect(
      throws: AggregationError.tooFewForRule(name, found: 6, required: 7, hostile: 2)
    ) { try run(name, adapters(honest: 4, hostile: 2), options) }
    options.hostile = .max
    #expect(throws: AggregationError.self) {
      try run(name, adapters(honest: 4, hostile: 2), options)
    }
    #expect(AggregationError.tooFewForRule(name, found: 6, required: 7, hostile: 2).category
      == .tooFewClients)
  }

  @Test func geometricMedianIsThatOfTheDenseUpdates() throws {
    let adapters = adapters(honest: 4, hostile: 2)
    let vectors = adapters.map(vector)
    var options = RuleOptions()
    options.rank = 5
    let outcome = try AggregationJob(
      try RuleCatalog.entry("geometric-median"), .uniform, options: options
    ).run(try files(adapters), withDigests: false)
    // Dense Weiszfeld steps, the same smoothing.
    let norms = vectors.map(Dense.norm).sorted()
    let least = 1e-6 * (norms[2] + norms[3]) / 2
    var share = [Double](repeating: 1.0 / 6, count: 6)
    var z = combination(adapters, share)
    for _ in 0..<100 {
      share = vectors.map { 1 / max(least, Dense.distance(z, $0)) }
      let sum = share.reduce(0, +)
      share = share.map { $0 / sum }
      z = combination(adapters, share)
    }
    let found = try #require(outcome.result.coefficients)
    for (value, reference) in zip(found, share) { #expect(abs(value - reference) < 1e-7) }
    #expect(Dense.distance(vector(outcome.adapter), z) <= 1e-6 * Dense.norm(z))
    let mean = combination(Array(adapters.prefix(4)), [0.25, 0.25, 0.25, 0.25])
    #expect(Dense.distance(z, mean) < Dense.norm(mean))
  }

  @Test(arguments: [nil, 0.5, 1e9])
  func clipCutsLongUpdates(bound: Double?) throws {
    let adapters = adapters(honest: 3, hostile: 1)
    var options = RuleOptions()
    options.rank = 5
    options.clipNorm = bound
    let vectors = adapters.map(vector)
    let norms = vectors.map(Dense.norm)
    let limit = bound ?? (norms.sorted()[1] + norms.sorted()[2]) / 2
    let expected = zip([0.1, 0.2, 0.3, 0.4], norms).map { $0 * min(1, limit / $1) }
    let outcome = try run("clip", adapters, options)
    for (found, value) in zip(try #require(outcome.result.coefficients), expected) {
      #expect(abs(found - value) < 1e-12)
    }
    let exact = combination(adapters, expected)
    #expect(Dense.distance(vector(outcome.adapter), exact) <= 1e-6 * Dense.norm(exact))
  }

  @Test func clipCountsFromTheParent() throws {
    var adapters = adapters(honest: 3, hostile: 1)
    let parent = SampleRound.adapter(SampleRound.Client(name: nil, seed: 1))
    try AdapterWriter.write(parent, to: sample.folder.file("parent.safetensors"))
    let file = try AdapterReader.open(path: sample.folder.file("parent.safetensors"))
    var options = RuleOptions()
    options.rank = 5
    #expect(throws: AggregationError.self) { try run("clip", adapters, options, parent: file) }
    for index in adapters.indices { adapters[index].provenance?.parent = file.digest() }
    let start = vector(parent)
    let norms = adapters.map { Dense.distance(vector($0), start) }
    let limit = (norms.sorted()[1] + norms.sorted()[2]) / 2
    let shares = zip([0.1, 0.2, 0.3, 0.4], norms).map { $0 * min(1, limit / $1) }
    let exact = combination(adapters + [parent], shares + [1 - shares.reduce(0, +)])
    let outcome = try run("clip", adapters, options, parent: file)
    #expect(Dense.distance(vector(outcome.adapter), exact) <= 1e-6 * Dense.norm(exact))
    #expect(throws: AggregationError.unusedOption(.parent, rule: "svd")) {
      try run("svd", adapters, options, parent: file)
    }
  }

  @Test(arguments: Array(1...20) + [33])
  func medianAndTrimmedMeanAreThoseOfSortedLists(count: Int) throws {
    var adapters = adapters(honest: count, hostile: 0)
    // Equal scales are kept, unequal ones folded into both factors.
    if count % 2 == 0 { for index in adapters.indices { adapters[index].config.alpha = 3 } }
    let dropped = count / 4
    var options = RuleOptions()
    options.trim = 0.25
    let medians = try run("median", adapters).adapter
    let trimmed = try run("trimmed-mean", adapters, options).adapter
    for index in medians.modules.indices {
      for place in medians.modules[index].loraB.indices {
        let sorted = adapters.map { Double($0.modules[index].loraB[place]) }.sorted()
        let middle = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
        #expect(medians.modules[index].loraB[place] == Float(middle))
        let kept = sorted[dropped..<count - dropped]
        #expect(
          trimmed.modules[index].loraB[place] == Float(kept.reduce(0, +) / Double(kept.count)))
      }
    }
  }

  @Test func hostileClientsDoNotMoveTheMiddle() throws {
    let adapters = adapters(honest: 5, hostile: 2)
    let honest = Array(adapters.prefix(5))
    for name in ["median", "trimmed-mean"] {
      var options = RuleOptions()
      if name == "trimmed-mean" { options.trim = 0.3 }
      let result = try run(name, adapters, options).adapter
      for (index, module) in result.modules.enumerated() {
        for (place, value) in module.loraA.enumerated() {
          let values = honest.map { $0.modules[index].loraA[place] }
          #expect(values.min()! <= value && value <= values.max()!)
        }
      }
    }
  }

  @Test func claimsDoNotCountWhereAllAreTakenAlike() throws {
    var adapters = adapters(honest: 5, hostile: 0)
    for rule in RuleCatalog.all where rule.ignoresWeights {
      let before = try AggregationJob(rule).adapter(try files(adapters)).digest()
      adapters[4].provenance?.records = 1_000_000_000
      #expect(try AggregationJob(rule).adapter(try files(adapters)).digest() == before)
      adapters[4].provenance?.records = nil
      #expect(try AggregationJob(rule).adapter(try files(adapters)).digest() == before)
    }
  }

  @Test func otherRulesRefuseTheOption() throws {
    var options = RuleOptions()
    options.trim = 0.1
    #expect(throws: AggregationError.unusedOption(.trim, rule: "median")) {
      try AggregationJob(try RuleCatalog.entry("median"), options: options)
    }
    for trim in [-0.1, 0.5, .nan] {
      options.trim = trim
      #expect(throws: AggregationError.self) {
        try AggregationJob(try RuleCatalog.entry("trimmed-mean"), options: options)
      }
    }
    #expect(AggregationError.unusedOption(.trim, rule: "median").category == .usage)
    let error = AggregationError.otherRank(path: "a", module: "m", found: 1, expected: 2)
    #expect(error.hint?.contains("--rule svd") == true)
  }
}
