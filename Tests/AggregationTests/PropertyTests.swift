// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import TestSupport
import Testing

/// The algebra of the rules over random rounds: numbers of clients, ranks, sizes, scales, weights.
@Suite struct PropertyTests {
  let sample: SampleRound
  init() throws { sample = try SampleRound() }

  private static let cases: [UInt64] = Array(1...10)
  /// Rules that see only the products ΔWᵢ.
  private static let productRules = ["stack", "svd", "clip", "multi-krum", "geometric-median"]

  /// Draws from a range.
  private struct Dice {
    var generator: Generator
    init(_ seed: UInt64) { generator = Generator(seed: seed &* 7919) }
    mutating func integer(_ range: ClosedRange<Int>) -> Int {
      let share = (Double(generator.next()) + 2) / 4
      return min(range.upperBound, range.lowerBound + Int(share * Double(range.count)))
    }
  }

  private func round(
    _ seed: UInt64, ranks: ClosedRange<Int> = 1...4, least: Int = 1, equal: Bool = false
  ) -> [Adapter] {
    var dice = Dice(seed)
    let count = dice.integer(least...7)
    let inputs = dice.integer(4...9)
    let rank = dice.integer(ranks)
    let alpha = Double(dice.integer(1...16))
    return (0..<count).map { index in
      SampleRound.adapter(
        SampleRound.Client(
          name: "\(index)", rank: equal ? rank : dice.integer(ranks),
          alpha: equal ? alpha : Double(dice.integer(1...16)),
          isRankStabilized: dice.integer(0...1) == 1 && !equal, seed: seed &* 100 &+ UInt64(index),
          records: dice.integer(1...50), inputSize: inputs))
    }
  }

  private func files(_ adapters: [Adapter], _ prefix: String = "p") throws -> [AdapterFile] {
    try adapters.enumerated().map { index, adapter in
      let path = sample.folder.file("\(prefix)\(index).safetensors")
      try AdapterWriter.write(adapter, to: path)
      return try AdapterReader.open(path: path)
    }
  }

  private func vector(_ adapter: Adapter) -> [Double] {
    adapter.modules.indices.flatMap { Dense.update(adapter, $0) }
  }

  private func shares(_ adapters: [Adapter]) -> [Double] {
    let records = adapters.map { Double($0.provenance?.records ?? 0) }
    return records.map { $0 / records.reduce(0, +) }
  }

  private func exact(_ adapters: [Adapter]) -> [Double] {
    adapters[0].modules.indices.flatMap { Dense.sum(adapters, shares(adapters), $0) }
  }

  private func job(_ name: String, rank: Int? = nil) throws -> AggregationJob {
    let entry = try RuleCatalog.entry(name)
    var options = RuleOptions()
    if entry.options.contains(.rank) { options.rank = rank }
    return try AggregationJob(entry, options: options)
  }

  private func expectNear(
    _ found: [Double], _ expected: [Double], _ tolerance: Double, _ what: String
  ) {
    #expect(
      Dense.distance(found, expected) <= tolerance * Dense.norm(expected) + 1e-12, "\(what)")
  }

  /// B ← B R, A ← R⁻¹ A for a random R of shears and scales; ΔW stays.
  private func turned(_ adapter: Adapter, _ seed: UInt64) -> Adapter {
    var dice = Dice(seed)
    var result = adapter
    for (index, module) in adapter.modules.enumerated() {
      var (a, b) = (module.loraA.map(Double.init), module.loraB.map(Double.init))
      let (r, k) = (module.rank, module.inputSize)
      for _ in 0..<3 * r {
        let (i, j) = (dice.integer(0...r - 1), dice.integer(0...r - 1))
        let factor = Double(dice.integer(1...6)) / 4
        if i == j {
          for row in 0..<module.outputSize { b[row * r + i] *= factor }
          for column in 0..<k { a[i * k + column] /= factor }
        } else {
          for row in 0..<module.outputSize { b[row * r + j] += factor * b[row * r + i] }
          for column in 0..<k { a[i * k + column] -= factor * a[j * k + column] }
        }
      }
      result.setFactors(index, loraA: a.map(Float.init), loraB: b.map(Float.init))
    }
    return result
  }

  @Test(arguments: cases)
  func oneAdapterOfAllTheWeightComesBack(seed: UInt64) throws {
    let adapter = round(seed)[0]
    for name in ["fedavg", "stack", "svd", "fedex", "segment", "hetlora", "geometric-median", "clip"]
    {
      let result = try job(name).adapter(try files([adapter]))
      expectNear(vector(result), vector(adapter), 1e-6, name)
    }
  }

  @Test(arguments: cases)
  func stackIsTheDenseMeanAndSvdItsBestApproximation(seed: UInt64) throws {
    let adapters = round(seed)
    let files = try files(adapters)
    let mean = exact(adapters)
    expectNear(vector(try job("stack").adapter(files)), mean, 1e-6, "stack")
    // Of the whole rank nothing is lost.
    expectNear(vector(try job("svd", rank: 30).adapter(files)), mean, 1e-6, "svd")
    let cut = try job("svd", rank: 1).adapter(files)
    var lost = 0.0
    for (index, module) in cut.modules.enumerated() {
      let dense = Dense.sum(adapters, shares(adapters), index)
      let values = Dense.singularValues(
        dense, rows: module.outputSize, columns: module.inputSize)
      lost += values.dropFirst().reduce(0) { $0 + $1 * $1 }
    }
    let distance = Dense.distance(vector(cut), mean)
    #expect(abs(distance - lost.squareRoot()) <= 1e-5 * Dense.norm(mean))
  }

  @Test(arguments: cases)
  func fedexMakesTheDriftGood(seed: UInt64) throws {
    let adapters = round(seed, equal: true)
    let outcome = try job("fedex").run(try files(adapters), withDigests: false)
    let residual = try #require(outcome.result.residual)
    let sum = zip(vector(outcome.adapter), vector(residual)).map(+)
    expectNear(sum, exact(adapters), 1e-5, "fedex")
  }

  @Test(arguments: cases)
  func ffaIsExact(seed: UInt64) throws {
    var adapters = round(seed, equal: true)
    for index in adapters.indices {
      adapters[index].provenance?.trained = "B"
      for (place, module) in adapters[index].modules.enumerated() {
        adapters[index].setFactors(
          place, loraA: adapters[0].modules[place].loraA, loraB: module.loraB)
      }
    }
    expectNear(vector(try job("ffa").adapter(try files(adapters))), exact(adapters), 1e-6, "ffa")
  }

  @Test(arguments: cases)
  func refactoringChangesProductRulesOnlyByRounding(seed: UInt64) throws {
    let adapters = round(seed, ranks: 2...4, least: 5)
    var other = adapters
    other[1] = turned(adapters[1], seed)
    let (before, after) = (try files(adapters), try files(other, "t"))
    for name in Self.productRules {
      expectNear(
        vector(try job(name).adapter(after)), vector(try job(name).adapter(before)), 1e-4, name)
    }
    let chosen = try [before, after].map {
      try job("krum").run($0, withDigests: false).result.coefficients
    }
    #expect(chosen[0] == chosen[1])
  }

  /// The catalog says of the rules over factors that they need a common parent; this is why.
  @Test func refactoringMovesRulesOverFactors() throws {
    let adapters = round(3, ranks: 3...3, least: 7, equal: true)
    var other = adapters
    other[1] = turned(adapters[1], 3)
    let (before, after) = (try files(adapters), try files(other, "t"))
    for rule in RuleCatalog.all where rule.needsCommonParent && rule.name != "fednova" {
      let (x, y) = (
        vector(try AggregationJob(rule).adapter(before)), vector(try AggregationJob(rule).adapter(after))
      )
      #expect(Dense.distance(x, y) > 1e-3 * Dense.norm(x), "\(rule)")
    }
  }

  @Test(arguments: cases)
  func aClientIsTwoOfHalfItsWeight(seed: UInt64) throws {
    let adapters = round(seed, equal: true)
    let split = adapters + [adapters[0]]
    let counts = adapters.map { $0.provenance?.records ?? 0 }
    let whole = try sample.folder.write(
      "whole", counts.enumerated().map { "\($0)\t\(2 * $1)\n" }.joined())
    // Both halves have the same name, and so the weight of one half each.
    let halves = try sample.folder.write(
      "halves", counts.enumerated().map { "\($0)\t\($0 == 0 ? $1 : 2 * $1)\n" }.joined())
    for name in ["fedavg", "stack", "svd", "fedex", "segment", "geometric-median"] {
      let entry = try RuleCatalog.entry(name)
      let one = try AggregationJob(entry, .file(whole)).adapter(try files(adapters))
      let two = try AggregationJob(entry, .file(halves)).adapter(try files(split, "h"))
      expectNear(vector(two), vector(one), 1e-5, name)
    }
  }

  /// Rows of zeros below A and columns of zeros beside B are no update.
  @Test(arguments: cases)
  func zeroRanksChangeNothing(seed: UInt64) throws {
    let adapters = round(seed, least: 5)
    var other = adapters
    let padded = adapters[0]
    let rank = padded.config.rank + 2
    var config = padded.config
    // The scale stays: alpha/rank, or alpha/√rank.
    let growth = Double(rank) / Double(padded.config.rank)
    config.rank = rank
    config.alpha *= config.isRankStabilized ? growth.squareRoot() : growth
    other[0] = Adapter(
      config: config,
      modules: padded.modules.map { module in
        AdapterModule(
          path: module.path, rank: rank, inputSize: module.inputSize,
          outputSize: module.outputSize, alpha: config.alpha,
          loraA: module.loraA + [Float](repeating: 0, count: 2 * module.inputSize),
          loraB: (0..<module.outputSize).flatMap { row in
            Array(module.loraB[row * module.rank..<(row + 1) * module.rank]) + [0, 0]
          })
      }, provenance: padded.provenance)
    expectNear(vector(other[0]), vector(padded), 1e-12, "padding")
    let (before, after) = (try files(adapters), try files(other, "z"))
    for name in Self.productRules {
      expectNear(
        vector(try job(name, rank: 30).adapter(after)),
        vector(try job(name, rank: 30).adapter(before)), 1e-5, name)
    }
  }

  /// β = γ = 0 without a cap is FedAvg, byte for byte; and so is a cap that nobody reaches.
  @Test(arguments: cases)
  func shapingByNothingIsFedAvg(seed: UInt64) throws {
    let files = try files(round(seed, equal: true))
    let rule = try RuleCatalog.entry("fedavg")
    let plain = try AggregationJob(rule).adapter(files)
    let (expected, digest) = (try sample.bytes(plain), plain.digest())
    for maximum in [nil, 1.0] {
      let job = try AggregationJob(
        rule: rule, shaping: WeightShaping(quality: 0, length: 0, maximum: maximum), tool: "test")
      let result = try job.adapter(files)
      if maximum == nil { #expect(try sample.bytes(result) == expected) }
      #expect(result.digest() == digest)
    }
  }

  @Test(arguments: cases)
  func orderChangesNoByteOfAnyRule(seed: UInt64) throws {
    let adapters = round(seed, least: 3, equal: true)
    let files = try files(adapters)
    for rule in RuleCatalog.all
    where !rule.traits.contains(.commonFactor) && (rule.name != "fednova") {
      let expected = try AggregationJob(rule).adapter(files).digest()
      let rotated = Array(files.dropFirst() + files.prefix(1))
      #expect(try AggregationJob(rule, threads: 2).adapter(rotated).digest() == expected, "\(rule)")
    }
  }
}
