// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Privacy
import Streams
import TestSupport
import Testing

/// Defects that were found in other systems' aggregation, by their name there: none of them is here.
@Suite struct PeerDefectTests {
  let sample: SampleRound
  init() throws { sample = try SampleRound() }

  private static let secret = Array("sixteen bytes or more of secret".utf8)

  private func open(_ adapter: Adapter, _ name: String) throws -> AdapterFile {
    try AdapterWriter.write(adapter, to: sample.folder.file(name))
    return try AdapterReader.open(path: sample.folder.file(name))
  }

  private func vector(_ adapter: Adapter) -> [Double] {
    adapter.modules.indices.flatMap { Dense.update(adapter, $0) }
  }

  private func error(_ found: Adapter, _ expected: [Double]) -> Double {
    Dense.distance(vector(found), expected) / Dense.norm(expected)
  }

  // MARK: FederatedScope

  /// Its Krum adds up the norms of the layers' differences, not squares of whole updates.
  @Test func federatedScopeKrumOfUnsquaredLayerNorms() throws {
    let rule = try RuleCatalog.entry("krum")
    var differing = 0
    for seed in UInt64(1)...40 where differing < 3 {
      let adapters = (0..<5).map { index -> Adapter in
        var adapter = SampleRound.adapter(
          SampleRound.Client(name: "\(index)", seed: 100 * seed + UInt64(index), seedA: seed))
        let first = adapter.modules[0]
        adapter.setFactors(0, loraA: first.loraA, loraB: first.loraB.map { $0 * Float(index + 1) })
        return adapter
      }
      func chosen(_ distance: (Int, Int) -> Double) -> Int {
        let scores = (0..<5).map { i in
          (0..<5).filter { $0 != i }.map { distance(i, $0) }.sorted().prefix(2).reduce(0, +)
        }
        return scores.firstIndex(of: scores.min() ?? 0) ?? 0
      }
      let squares = chosen { i, j in
        let d = Dense.distance(vector(adapters[i]), vector(adapters[j]))
        return d * d
      }
      let norms = chosen { i, j in
        [0, 1].reduce(0) { sum, layer in
          sum + Dense.distance(Dense.update(adapters[i], layer), Dense.update(adapters[j], layer))
        }
      }
      if squares == norms { continue }
      differing += 1
      let files = try adapters.enumerated().map { try open($1, "k\($0).safetensors") }
      var options = RuleOptions()
      options.hostile = 1
      let outcome = try AggregationJob(rule, options: options).run(files, withDigests: false)
      #expect(outcome.result.coefficients?.firstIndex(of: 1) == squares)
    }
    #expect(differing > 0)
  }

  // MARK: OpenFedLLM

  /// `fedadagrad` is misspelt there and runs plain FedAvg.
  @Test func openFedLLMOptimizerThatRunsFedAvg() throws {
    #expect(ServerOptimizer.Kind(rawValue: "fedadgrad") == nil)
    let parent = try sample.file(SampleRound.Client(name: nil, seed: 99), "parent.safetensors")
    let files = try sample.files(parented(parent, 3))
    let rule = try RuleCatalog.entry("fedavg")
    var results = [try AggregationJob(rule, .uniform).adapter(files).digest()]
    for kind in ServerOptimizer.Kind.allCases {
      let optimizer = try ServerOptimizer(kind, learningRate: 0.25)
      results.append(
        try AggregationJob(
          rule: rule, weights: .uniform, parent: parent, server: optimizer, tool: "test"
        ).adapter(files).digest())
    }
    #expect(Set(results).count == 5)
  }

  /// Its FedAdam squares the momentum instead of the change: ten times too fast in the first round.
  @Test func openFedLLMFedAdamSquaresTheMomentum() throws {
    let parent = try sample.file(SampleRound.Client(name: nil, seed: 99), "parent.safetensors")
    let clients = parented(parent, 1)
    let file = try sample.files(clients)[0]
    let optimizer = try ServerOptimizer(.fedadam, tau: 1e-9)
    let result = try AggregationJob(
      rule: try RuleCatalog.entry("fedavg"), weights: .uniform, parent: parent, server: optimizer,
      tool: "test"
    ).adapter([file])
    let (start, end) = (try parent.adapter(), try file.adapter())
    for (index, module) in result.modules.enumerated() {
      for place in module.loraB.indices {
        let x = start.modules[index].loraB[place]
        let change = end.modules[index].loraB[place] - x
        // m = Δ/10, √v = |Δ|/10: the rate 0.1 itself, in Δ's direction.
        #expect(abs(module.loraB[place] - (x + (change > 0 ? 0.1 : -0.1))) < 1e-4)
      }
    }
  }

  private func parented(_ parent: AdapterFile, _ count: Int) -> [SampleRound.Client] {
    SampleRound.clients(count).map {
      var client = $0
      client.parent = parent.digest()
      return client
    }
  }

  // MARK: FedML

  /// Its geometric median keeps weights in a set: clients of equal weight become one.
  @Test func fedMLMedianWithASetOfWeights() throws {
    var adapters = SampleRound.clients(5).map(SampleRound.adapter)
    for index in 1...2 {
      let name = adapters[index].provenance?.client
      adapters[index] = adapters[0]
      adapters[index].provenance?.client = name
    }
    let files = try adapters.enumerated().map { try open($1, "g\($0).safetensors") }
    let outcome = try AggregationJob(try RuleCatalog.entry("geometric-median"), .uniform)
      .run(files, withDigests: false)
    // Three of five stand at one place: there is the median.
    #expect(outcome.result.coefficients?.count == 5)
    #expect(error(outcome.adapter, vector(adapters[0])) < 1e-3)
  }

  /// Its noise is divided once more for every tensor, until there is none.
  @Test func fedMLNoiseThatFadesFromTensorToTensor() throws {
    let paths = (0..<6).map { "model.layers.\($0).mlp.up_proj" }
    let parent = try sample.file(
      SampleRound.Client(name: nil, seed: 99, parent: nil, paths: paths, seedA: 77),
      "parent.safetensors")
    let files = try parented(parent, 3).enumerated().map { index, client in
      var client = client
      (client.paths, client.seedA, client.trained) = (paths, 77, "B")
      return try sample.file(client, "f\(index).safetensors")
    }
    func result(_ noise: Double, _ secret: [UInt8]) throws -> Adapter {
      try AggregationJob(
        rule: try RuleCatalog.entry("ffa"), parent: parent,
        privacy: try ClientPrivacy(clipNorm: 2, noise: noise, secret: secret), tool: "test"
      ).adapter(files)
    }
    let quiet = try result(1e-9, Self.secret)
    var squares = [Double](repeating: 0, count: 6)
    var count = 0.0
    for draw in UInt8(0)..<40 {
      let loud = try result(3, Self.secret + [draw])
      for (index, module) in loud.modules.enumerated() {
        for (x, y) in zip(module.loraB, quiet.modules[index].loraB) {
          squares[index] += Double(x - y) * Double(x - y)
        }
      }
      count += Double(quiet.modules[0].loraB.count)
    }
    // z C / m = 2; five standard errors of a variance of 840 draws.
    for square in squares { #expect(abs(square / count / 4 - 1) < 5 * (2 / count).squareRoot()) }
  }

  /// There the clipping norm is handed over as the order of the norm: a change of norm 3 cut to 1 is 1.
  @Test func fedMLClipNormAsTheOrderOfANorm() throws {
    let parent = try sample.file(
      SampleRound.Client(name: nil, seed: 99, parent: nil, seedA: 77), "parent.safetensors")
    var client = parented(parent, 1)[0]
    (client.seedA, client.trained) = (77, "B")
    let file = try sample.file(client, "c.safetensors")
    let start = try parent.adapter()
    for bound in [0.5, 1, 3] {
      let result = try AggregationJob(
        rule: try RuleCatalog.entry("ffa"), parent: parent,
        privacy: try ClientPrivacy(clipNorm: bound, noise: 1e-9, secret: Self.secret),
        tool: "test"
      ).adapter([file])
      let change = zip(result.modules, start.modules).flatMap { a, b in
        zip(a.loraB, b.loraB).map { Double($0) - Double($1) }
      }
      #expect(abs(Dense.norm(change) - bound) < 1e-5)
    }
  }

  // MARK: NVFlare, Shepherd, FLoRA

  /// Keys that do not match are counted there and left out; here the client is refused by name.
  @Test func nvFlareDropsWhatDoesNotMatch() throws {
    var clients = SampleRound.clients(4)
    clients[2].paths = [SampleRound.paths[0]]
    let files = try sample.files(clients)
    let rule = try RuleCatalog.entry("fedavg")
    #expect(throws: AggregationError.self) { try AggregationJob(rule).adapter(files) }
    let outcome = try AggregationJob(rule, minimum: 3).run(files, withDigests: false)
    #expect(outcome.refused.map(\.client) == ["2"])
    #expect(outcome.refused[0].error.message.contains(SampleRound.paths[1]))
  }

  /// Its clients upload what they got: a round in which nothing was learnt has to be told.
  @Test func shepherdAggregatesUntrainedWeights() throws {
    let parent = try sample.file(SampleRound.Client(name: nil, seed: 99), "parent.safetensors")
    let files = try parented(parent, 3).map { client in
      var client = client
      client.seed = 99
      return try sample.file(client, "s\(client.name ?? "").safetensors")
    }
    let optimizer = try ServerOptimizer(.fedavgm, momentum: 0)
    let outcome = try AggregationJob(
      rule: try RuleCatalog.entry("fedavg"), parent: parent, server: optimizer, tool: "test"
    ).run(files, withDigests: false)
    #expect(outcome.warnings.contains { $0.contains("nothing was learnt") })
  }

  /// A misspelt name there keeps w₀ times the first client as the "average".
  @Test func floraBaselineIsItsFirstClient() throws {
    let adapters = SampleRound.clients(3).map(SampleRound.adapter)
    let files = try sample.files(SampleRound.clients(3))
    let result = try AggregationJob(try RuleCatalog.entry("fedavg")).adapter(files)
    for (index, module) in result.modules.enumerated() {
      for place in module.loraA.indices {
        let values = adapters.map { Double($0.modules[index].loraA[place]) }
        let mean = (values[0] + 2 * values[1] + 3 * values[2]) / 6
        #expect(abs(Double(module.loraA[place]) - mean) < 1e-6)
      }
    }
  }

  /// There the rank in the configuration is r times all clients: with some of them missing nothing loads.
  @Test func floraRankOfMissingClients() throws {
    let clients = [(0, 2), (3, 4)].map { SampleRound.Client(name: "\($0.0)", rank: $0.1, seed: 3) }
    let result = try AggregationJob(try RuleCatalog.entry("stack")).adapter(try sample.files(clients))
    let file = try open(result, "stacked.safetensors")
    #expect(file.config.rank == 6)
    #expect(file.modules.allSatisfy { $0.rank == 6 })
    #expect(error(try file.adapter(), vector(result)) == 0)
  }

  // MARK: PEFT

  /// `linear` takes √(w s) of both factors, so that shares of copies do not add up to the copy.
  @Test(arguments: ["fedavg", "stack", "svd", "fedex"])
  func peftRootsOfWeights(rule: String) throws {
    let clients = SampleRound.clients(3).map {
      SampleRound.Client(name: $0.name, seed: 5, records: $0.records)
    }
    let result = try AggregationJob(try RuleCatalog.entry(rule)).adapter(try sample.files(clients))
    #expect(error(result, vector(SampleRound.adapter(clients[0]))) < 1e-6)
  }

  /// `svd` scales twice where alpha is not the rank, and keeps rsLoRA's root in the result.
  @Test(arguments: [(1.0, false), (12.0, false), (12.0, true), (3.0, true)])
  func peftScalesTwice(alpha: Double, isRankStabilized: Bool) throws {
    let clients = (0..<2).map {
      SampleRound.Client(
        name: "\($0)", rank: 3, alpha: alpha, isRankStabilized: isRankStabilized, seed: 5)
    }
    let expected = vector(SampleRound.adapter(clients[0]))
    for rule in ["svd", "stack", "fedavg", "fedex", "geometric-median"] {
      let result = try AggregationJob(try RuleCatalog.entry(rule), .uniform).adapter(
        try sample.files(clients))
      // As another program reads it: alpha, rank and use_rslora of the file.
      #expect(error(try open(result, "r.safetensors").adapter(), expected) < 1e-6, "\(rule)")
    }
  }

  // MARK: Flower

  /// Its robust strategies return nothing below their bounds, and the round is passed over in silence.
  @Test func flowerSkipsTheRound() throws {
    var options = RuleOptions()
    options.hostile = 2
    for (name, count, required) in [("krum", 6, 7), ("multi-krum", 6, 7), ("bulyan", 10, 11)] {
      let files = try sample.files(SampleRound.clients(count))
      #expect(
        throws: AggregationError.tooFewForRule(name, found: count, required: required, hostile: 2)
      ) { try AggregationJob(try RuleCatalog.entry(name), options: options).adapter(files) }
    }
  }

  /// Its noise is z C/m where the clients' weights are unequal: 1.6 times too little for 10, 30, 20, 40.
  @Test func flowerNoiseOfUnequalWeights() throws {
    let parent = try sample.file(
      SampleRound.Client(name: nil, seed: 99, parent: nil, seedA: 77), "parent.safetensors")
    let files = try parented(parent, 4).enumerated().map { index, client in
      var client = client
      (client.seedA, client.trained) = (77, "B")
      return try sample.file(client, "n\(index).safetensors")
    }
    let path = try sample.folder.write("weights", "0\t10\n1\t30\n2\t20\n3\t40\n")
    let outcome = try AggregationJob(
      rule: try RuleCatalog.entry("ffa"), weights: .file(path), parent: parent,
      privacy: try ClientPrivacy(clipNorm: 2, noise: 1.5, secret: Self.secret), tool: "test"
    ).run(files, withDigests: false)
    #expect(abs((outcome.guarantee?.deviation ?? 0) - 1.5 * 2 * 0.4) < 1e-12)
  }

  /// One NaN, one other shape: its mean is NaN, and its run ends.
  @Test func flowerRoundEndedByOneClient() throws {
    var clients = SampleRound.clients(5)
    clients[3].inputSize = 9
    var files = try sample.files(clients)
    var bad = SampleRound.adapter(clients[1])
    bad.setFactors(
      0, loraA: bad.modules[0].loraA, loraB: bad.modules[0].loraB.map { _ in .nan })
    files[1] = try open(bad, "nan.safetensors")
    let outcome = try AggregationJob(try RuleCatalog.entry("fedavg"), minimum: 3).run(
      files, withDigests: false)
    #expect(outcome.round.clients.map(\.client) == ["0", "2", "4"])
    #expect(Set(outcome.refused.map(\.client)) == ["1", "3"])
    #expect(vector(outcome.adapter).allSatisfy { $0.isFinite })
  }

  /// Its server optimizers forget their moments with the process.
  @Test func flowerForgetsMoments() throws {
    let parent = try sample.file(SampleRound.Client(name: nil, seed: 99), "parent.safetensors")
    let optimizer = try ServerOptimizer(.fedadam, convention: .flower)
    let rule = try RuleCatalog.entry("fedavg")
    func step(_ parent: AdapterFile, _ state: String?, seed: UInt64) throws -> Adapter {
      let files = try parented(parent, 2).map { client in
        var client = client
        client.seed += seed
        return try sample.file(client, "m\(client.name ?? "").safetensors")
      }
      let path = sample.folder.file(state ?? "none")
      let outcome = try AggregationJob(
        rule: rule, weights: .uniform, parent: parent, server: optimizer, tool: "test"
      ).run(
        files, withDigests: false,
        serverState: try ServerState.open(path, optimizer, parent: parent))
      if state != nil { try #require(outcome.serverState).write(to: path, for: outcome.adapter) }
      return outcome.adapter
    }
    let first = try open(try step(parent, "state", seed: 0), "first.safetensors")
    let remembered = try step(first, "state", seed: 50).digest()
    #expect(try step(first, nil, seed: 50).digest() != remembered)
    // Run again after a kill: the same bytes.
    #expect(try step(first, "state", seed: 50).digest() == remembered)
  }

  // MARK: Chorus

  /// Folding the residual into B is called exact there. It is not; the residual beside the mean is.
  @Test func chorusCallsAFoldExact() throws {
    let clients = SampleRound.clients(4)
    let files = try sample.files(clients)
    let exact = SampleRound.paths.indices.flatMap {
      Dense.sum(clients.map(SampleRound.adapter), [0.1, 0.2, 0.3, 0.4], $0)
    }
    func run(_ name: String) throws -> AggregationJob.Outcome {
      try AggregationJob(try RuleCatalog.entry(name)).run(files, withDigests: false)
    }
    let errors = try ["svd", "fair", "fedavg"].map { error(try run($0).adapter, exact) }
    #expect(errors[0] < errors[1] && errors[1] < errors[2])
    #expect(errors[0] > 0.01)
    let whole = try #require(try run("fedex").result.exact)
    #expect(error(whole, exact) < 1e-6)
  }
}
