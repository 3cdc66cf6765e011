// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Safetensors
import Streams
import TestSupport
import Testing

/// What hostile clients may send, and how far it gets them.
@Suite struct AttackTests {
  let sample: SampleRound
  init() throws { sample = try SampleRound() }

  /// Values that pass every check of form.
  enum Values: String, CaseIterable {
    case hugeNorm, largeNorm, minusTenfold, signFlip, signFlipOfBoth, zero, constant, copies
    case subnormal

    func poison(_ adapter: Adapter, index: Int) -> Adapter {
      var result = adapter
      for (place, module) in adapter.modules.enumerated() {
        let factors: (a: (Float) -> Float, b: (Float) -> Float) =
          switch self {
          case .hugeNorm: ({ $0 }, { $0 * 1e30 })
          case .largeNorm: ({ $0 }, { $0 * 1e3 })
          case .minusTenfold: ({ $0 }, { $0 * -10 })
          case .signFlip: ({ $0 }, { -$0 })
          case .signFlipOfBoth: ({ -$0 }, { -$0 })
          case .zero: ({ _ in 0 }, { _ in 0 })
          case .constant: ({ _ in 3 }, { _ in 3 })
          case .copies: ({ $0 + 5 }, { $0 + 5 })
          case .subnormal: ({ _ in .leastNonzeroMagnitude }, { _ in .leastNonzeroMagnitude })
          }
        result.setFactors(
          place, loraA: module.loraA.map(factors.a), loraB: module.loraB.map(factors.b))
      }
      return result
    }
  }

  /// Honest clients near one another; the hostile ones send poisoned copies of the first.
  private func adapters(_ honest: Int, _ hostile: Int, _ attack: Values) -> [Adapter] {
    let good = (0..<honest).map { index -> Adapter in
      var adapter = SampleRound.adapter(SampleRound.Client(name: "h\(index)"))
      var noise = Generator(seed: UInt64(index + 1))
      for (place, module) in adapter.modules.enumerated() {
        adapter.setFactors(
          place, loraA: module.loraA.map { $0 + 0.02 * noise.next() },
          loraB: module.loraB.map { $0 + 0.02 * noise.next() })
      }
      return adapter
    }
    return good
      + (0..<hostile).map { index in
        var adapter = attack.poison(good[0], index: index)
        adapter.provenance?.client = "x\(index)"
        return adapter
      }
  }

  private func files(_ adapters: [Adapter]) throws -> [AdapterFile] {
    try adapters.enumerated().map { index, adapter in
      let path = sample.folder.file("a\(index).safetensors")
      try AdapterWriter.write(adapter, to: path)
      return try AdapterReader.open(path: path)
    }
  }

  private func vector(_ adapter: Adapter) -> [Double] {
    adapter.modules.indices.flatMap { Dense.update(adapter, $0) }
  }

  private func run(
    _ rule: String, _ adapters: [Adapter], hostile: Int? = nil, trim: Double? = nil
  ) throws -> AggregationJob.Outcome {
    var options = RuleOptions()
    options.hostile = hostile
    options.trim = trim
    let entry = try RuleCatalog.entry(rule)
    return try AggregationJob(
      entry, entry.ignoresWeights ? nil : .uniform, options: options
    ).run(try files(adapters), withDigests: false)
  }

  private func expectFinite(_ adapter: Adapter) {
    #expect(adapter.modules.allSatisfy { ($0.loraA + $0.loraB).allSatisfy { $0.isFinite } })
  }

  // MARK: Values

  /// At the edge: 4 of 9 for the median, ⌊0.34 · 9⌋ = 3 for the trimmed mean, 3 of 9 for Krum, 2 of 11
  /// for Bulyan.
  @Test(arguments: Values.allCases)
  func everyValueStaysAmongTheHonest(attack: Values) throws {
    for (rule, honest, hostile, trim) in [
      ("median", 8, 1, nil), ("median", 7, 2, nil), ("median", 6, 3, nil), ("median", 5, 4, nil),
      ("trimmed-mean", 8, 1, 0.34), ("trimmed-mean", 6, 3, 0.34), ("bulyan", 10, 1, nil),
      ("bulyan", 9, 2, nil),
    ] as [(String, Int, Int, Double?)] {
      let all = adapters(honest, hostile, attack)
      let result = try run(
        rule, all, hostile: rule == "bulyan" ? hostile : nil, trim: trim
      ).adapter
      for (index, module) in result.modules.enumerated() {
        for (found, factor) in [
          (module.loraA, \AdapterModule.loraA), (module.loraB, \AdapterModule.loraB),
        ] {
          let values = all.prefix(honest).map { $0.modules[index][keyPath: factor] }
          let isInside = found.indices.allSatisfy { place in
            let honest = values.map { $0[place] }
            return honest.min()! <= found[place] && found[place] <= honest.max()!
          }
          #expect(isInside, "\(rule), \(hostile) of \(all.count)")
        }
      }
    }
  }

  @Test(arguments: Values.allCases)
  func updatesStayNearTheHonestOnes(attack: Values) throws {
    for (rule, honest, hostile) in [
      ("krum", 8, 1), ("krum", 6, 3), ("multi-krum", 8, 1), ("multi-krum", 6, 3),
      ("geometric-median", 8, 1), ("geometric-median", 7, 2), ("geometric-median", 5, 4),
    ] {
      let all = adapters(honest, hostile, attack)
      let outcome = try run(rule, all, hostile: rule == "geometric-median" ? nil : hostile)
      let vectors = all.prefix(honest).map(vector)
      let centre = vectors[0].indices.map { place in
        vectors.reduce(0) { $0 + $1[place] } / Double(honest)
      }
      let radius = vectors.map { Dense.distance($0, centre) }.max() ?? 0
      // Pillutla et al. 2019, with a share α hostile: 2 (1 − α) / (1 − 2 α), which is 10 for 4/9.
      let share = Double(hostile) / Double(all.count)
      let bound = rule == "geometric-median" ? 2 * (1 - share) / (1 - 2 * share) * radius : 2 * radius
      #expect(Dense.distance(vector(outcome.adapter), centre) <= bound)
      if rule == "krum", attack != .signFlipOfBoth {
        let chosen = outcome.result.coefficients?.firstIndex(of: 1)
        #expect(chosen.map { $0 < honest } == true)
      }
    }
  }

  /// One hostile client moves the clipped mean by at most its share of the bound.
  @Test(arguments: Values.allCases)
  func clippingBoundsTheInfluenceOfOne(attack: Values) throws {
    let all = adapters(5, 1, attack)
    let outcome = try run("clip", all)
    let norms = all.map { Dense.norm(vector($0)) }.sorted()
    let bound = (norms[2] + norms[3]) / 2
    #expect(Dense.norm(vector(outcome.adapter)) <= bound * (1 + 1e-6))
    let share = try #require(outcome.result.coefficients).last ?? 1
    #expect(share * Dense.norm(vector(all[5])) <= bound / 6 * (1 + 1e-9))
  }

  @Test(arguments: Values.allCases)
  func oneBeyondTheBreakdownPointIsRefusedOrFinite(attack: Values) throws {
    for (rule, honest, hostile) in [("krum", 5, 4), ("multi-krum", 5, 4), ("bulyan", 8, 3)] {
      let all = adapters(honest, hostile, attack)
      #expect(throws: AggregationError.self) { try run(rule, all, hostile: hostile) }
      expectFinite(try run(rule, all).adapter)
    }
    for rule in ["median", "trimmed-mean", "geometric-median", "clip", "fedavg", "svd", "ties"] {
      expectFinite(try run(rule, adapters(4, 5, attack)).adapter)
    }
  }

  @Test func valuesThatOverflowTheResultAreAnErrorNotAnInfinity() throws {
    // The root of the scale is folded in where scales differ: 3e38 √2 is no float32.
    var all = [3.0, 6].enumerated().map {
      SampleRound.adapter(SampleRound.Client(name: "h\($0.offset)", alpha: $0.element))
    }
    for (index, module) in all[1].modules.enumerated() {
      all[1].setFactors(
        index, loraA: module.loraA.map { _ in 3.3e38 }, loraB: module.loraB)
    }
    let files = try files(all)
    let path = try sample.folder.write("weights", "h0\t0\nh1\t1\n")
    #expect(throws: AggregationError.self) {
      try AggregationJob(try RuleCatalog.entry("fedavg"), .file(path)).adapter(files)
    }
  }

  // MARK: Form and claims

  /// A file that is not what an honest client sends.
  private static let forms = [
    "nan-one", "infinity-one", "minus-infinity-all", "f64-beyond-f32", "other-rank", "rank-0",
    "other-size", "layer-missing", "b-missing", "extra-tensor", "other-base", "records-1e9",
    "records--50", "records-nan", "records-without-tokens", "quality-above-tokens", "long",
    "evil-path", "int8", "cut",
  ]

  private func hostileFile(_ form: String) throws -> String {
    let path = sample.folder.file("hostile.safetensors")
    var client = SampleRound.Client(name: "x", records: 20)
    var claims: (String) -> String = { $0 }
    var change: (inout [OutputTensor]) -> Void = { _ in }
    func replace(_ tensors: inout [OutputTensor], _ values: ([Float]) -> [Float]) {
      let old = tensors[1]
      tensors[1] = OutputTensor(
        name: old.name, shape: old.shape,
        floats: values([Float](repeating: 0.5, count: old.shape.reduce(1, *))))
    }
    switch form {
    case "nan-one": change = { replace(&$0) { [.nan] + $0.dropFirst() } }
    case "infinity-one": change = { replace(&$0) { [.infinity] + $0.dropFirst() } }
    case "minus-infinity-all": change = { replace(&$0) { $0.map { _ in -.infinity } } }
    case "f64-beyond-f32":
      change = { tensors in
        let old = tensors[1]
        let one = withUnsafeBytes(of: 1e300) { Array($0) }
        tensors[1] = OutputTensor(
          name: old.name, dtype: .float64, shape: old.shape,
          bytes: (0..<old.shape.reduce(1, *)).flatMap { _ in one })
      }
    case "int8":
      change = { tensors in
        let old = tensors[1]
        tensors[1] = OutputTensor(
          name: old.name, dtype: .int8, shape: old.shape,
          bytes: [UInt8](repeating: 1, count: old.shape.reduce(1, *)))
      }
    case "other-rank": client.rank = 8
    case "rank-0":
      change = { tensors in
        tensors = tensors.map {
          OutputTensor(
            name: $0.name, shape: $0.shape[0] == 3 ? [0, $0.shape[1]] : [$0.shape[0], 0],
            floats: [])
        }
      }
    case "other-size": client.inputSize = 32
    case "layer-missing": client.paths = [SampleRound.paths[0]]
    case "b-missing": change = { $0.remove(at: 1) }
    case "extra-tensor":
      change = { $0.append(OutputTensor(name: "lm_head.weight", shape: [1], floats: [1])) }
    case "evil-path":
      client.paths = [SampleRound.paths[0], "../../../../etc/passwd"]
    case "other-base": client.base = "elsewhere"
    case "records-1e9": client.records = 1_000_000_000
    case "records--50": claims = { $0.replacing("\"records\":20", with: "\"records\":-50") }
    case "records-nan": claims = { $0.replacing("\"records\":20", with: "\"records\":NaN") }
    case "records-without-tokens":
      claims = { $0.replacing("\"tokens\":141", with: "\"tokens\":3") }
    case "quality-above-tokens":
      claims = { $0.replacing("\"quality_tokens\":50.0", with: "\"quality_tokens\":5e9") }
    case "long": change = { replace(&$0) { $0.map { _ in 1e30 } } }
    default: break
    }
    let adapter = SampleRound.adapter(client)
    var tensors = adapter.tensors
    change(&tensors)
    let metadata = [
      "format": "pt", "adapter_config": adapter.describedConfig.json,
      "cl": claims(adapter.provenance?.json ?? ""),
    ]
    let sink = try OutputSink(path: path)
    try SafetensorsWriter.write(tensors, metadata: metadata, to: sink)
    try sink.close()
    if form == "cut" {
      let bytes = try sample.folder.read("hostile.safetensors")
      _ = try sample.folder.write("hostile.safetensors", Array(bytes.dropLast(9)))
    }
    return path
  }

  /// Every rule: the hostile client is refused by name and the others' result is what it would be
  /// without it, to the bit.
  @Test(arguments: forms)
  func hostileFormsAreNamedAndLeaveNoTrace(form: String) throws {
    for rule in RuleCatalog.all {
      let ignoresRanks = form == "other-rank" && !rule.needsEqualRanks
      let ignoresClaims =
        rule.ignoresWeights
        && ["records-1e9", "records-without-tokens", "quality-above-tokens"].contains(form)
      if ignoresRanks || ignoresClaims { continue }
      let honest = try sample.files(SampleRound.clients(5, for: rule))
      let job = try AggregationJob(
        rule: rule, minimumClients: 3,
        trust: TrustBounds(maximumNorm: .timesMedian(100)), tool: "test")
      let expected = try job.run(honest, withDigests: false).adapter.digest()
      let path = try hostileFile(form)
      var files = honest
      var refused: [Refusal] = []
      do throws(AdapterError) { files.insert(try AdapterReader.open(path: path), at: 2) } catch {
        refused.append(Refusal(path: path, error: error))
      }
      let outcome = try job.run(files, refused: refused, withDigests: false)
      #expect(outcome.adapter.digest() == expected, "\(rule)")
      #expect(outcome.refused.map(\.path) == [path], "\(rule)")
      #expect(outcome.refused.first?.error.message.isEmpty == false)
      // Too few honest ones: a status of its own.
      #expect(throws: AggregationError.tooFewClients(accepted: 5, required: 6)) {
        try AggregationJob(
          rule: rule, minimumClients: 6, trust: job.trust, tool: "test"
        ).run(files, refused: refused, withDigests: false)
      }
    }
  }

  /// Uploads that ended early, at seven places: named, never a shorter adapter.
  @Test func cutUploadsAreNamed() throws {
    let honest = try sample.files(SampleRound.clients(3))
    let whole = try sample.folder.read("0.safetensors")
    let header = 8 + Int(whole[0]) + Int(whole[1]) << 8
    let rule = try RuleCatalog.entry("median")
    let expected = try AggregationJob(rule).adapter(honest).digest()
    for length in [0, 4, 8, header / 2, header, header + 1, whole.count - 1] {
      let path = try sample.folder.write("cut.safetensors", Array(whole.prefix(length)))
      var refused: [Refusal] = []
      do throws(AdapterError) { _ = try AdapterReader.open(path: path) } catch {
        refused.append(Refusal(path: path, error: error))
      }
      #expect(refused.count == 1, "\(length) bytes")
      let outcome = try AggregationJob(rule, minimum: 3).run(
        honest, refused: refused, withDigests: false)
      #expect(outcome.adapter.digest() == expected)
      #expect(outcome.refused.map(\.path) == [path])
    }
  }

  /// A client whose common factor is another one leaves; the round goes on.
  @Test(arguments: ["ffa", "alternate"])
  func anotherCommonFactorIsRefusedNotTheRound(name: String) throws {
    let rule = try RuleCatalog.entry(name)
    let honest = try sample.files(SampleRound.clients(3, for: rule))
    var client = SampleRound.Client(name: "x", seed: 9)
    client.trained = "B"
    let hostile = try sample.file(client, "hostile.safetensors")
    let job = try AggregationJob(rule: rule, minimumClients: 3, tool: "test")
    let expected = try job.run(honest, withDigests: false).adapter.digest()
    let outcome = try job.run([hostile] + honest, withDigests: false)
    #expect(outcome.adapter.digest() == expected)
    #expect(outcome.refused.map(\.path) == [hostile.path])
    client.trained = "AB"
    let other = try sample.file(client, "other.safetensors")
    if name == "alternate" {
      #expect(try job.run([other] + honest, withDigests: false).adapter.digest() == expected)
    }
  }

  /// What passes the bounds is still held by the cap, and told.
  @Test func claimsWithinReasonAreCappedAndTold() throws {
    var clients = SampleRound.clients(5)
    clients[0].records = 100_000
    let rule = try RuleCatalog.entry("fedavg")
    let outcome = try AggregationJob(rule).run(try sample.files(clients), withDigests: false)
    #expect(outcome.round.weights[0] > 0.99)
    #expect(outcome.warnings.contains { $0.contains("more than half of the weight") })
    let capped = try AggregationJob(
      rule: rule, shaping: WeightShaping(maximum: 0.3), tool: "test"
    ).run(try sample.files(clients), withDigests: false)
    #expect(capped.round.weights.allSatisfy { $0 <= 0.3 + 1e-12 })
    #expect(!capped.warnings.contains { $0.contains("more than half") })
  }

  @Test func normsAreBoundedFromTheParent() throws {
    let parent = try sample.file(
      SampleRound.Client(name: nil, seed: 1, parent: nil), "parent.safetensors")
    let files = try (0..<4).map { index -> AdapterFile in
      var adapter = SampleRound.adapter(SampleRound.Client(name: "\(index)", seed: 1))
      adapter.provenance?.parent = parent.digest()
      let step: Float = index == 3 ? 1 : 0.01
      for (place, module) in adapter.modules.enumerated() {
        adapter.setFactors(
          place, loraA: module.loraA, loraB: module.loraB.map { $0 + step })
      }
      let path = sample.folder.file("n\(index).safetensors")
      try AdapterWriter.write(adapter, to: path)
      return try AdapterReader.open(path: path)
    }
    let rule = try RuleCatalog.entry("fedavg")
    func refused(_ bound: TrustBounds.Norm?, _ parent: AdapterFile?) throws -> [String] {
      try AggregationJob(
        rule: rule, minimumClients: 1, parent: parent, trust: TrustBounds(maximumNorm: bound),
        tool: "test"
      ).run(files, withDigests: false).refused.compactMap(\.client)
    }
    #expect(try refused(.init("10x"), parent) == ["3"])
    // Against nothing their norms are alike.
    #expect(try refused(.init("10x"), nil) == [])
    #expect(try refused(.init("0.5"), parent) == ["3"])
    for text in ["", "x", "-1", "0", "nan", "1e400", "2y"] { #expect(TrustBounds.Norm(text) == nil) }
  }
}
