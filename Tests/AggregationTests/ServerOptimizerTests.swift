// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Streams
import TestSupport
import Testing

/// Three rounds of every server optimizer in both conventions against its formulas on single numbers.
@Suite struct ServerOptimizerTests {
  let sample: SampleRound
  init() throws { sample = try SampleRound() }

  private static let clients = 3

  private struct Round {
    let outcome: AggregationJob.Outcome
    let parent: AdapterFile
  }

  /// Clients that started from `parent`.
  private func files(_ round: Int, _ parent: AdapterFile) throws -> [AdapterFile] {
    try (0..<Self.clients).map { index in
      var client = SampleRound.Client(name: "\(index)", seed: UInt64(10 * round + index + 1))
      client.parent = parent.digest()
      return try sample.file(client, "r\(round)-\(index).safetensors")
    }
  }

  private func open(_ adapter: Adapter, _ name: String) throws -> AdapterFile {
    try AdapterWriter.write(adapter, to: sample.folder.file(name))
    return try AdapterReader.open(path: sample.folder.file(name))
  }

  private func start() throws -> AdapterFile {
    try sample.file(SampleRound.Client(name: nil, seed: 99), "start.safetensors")
  }

  private func run(
    _ optimizer: ServerOptimizer, _ files: [AdapterFile], _ parent: AdapterFile, state: String
  ) throws -> AggregationJob.Outcome {
    let job = try AggregationJob(
      rule: try RuleCatalog.entry("fedavg"), weights: .uniform, parent: parent, server: optimizer,
      tool: "test")
    let outcome = try job.run(
      files, withDigests: false,
      serverState: try ServerState.open(sample.folder.file(state), optimizer, parent: parent))
    try #require(outcome.serverState).write(
      to: sample.folder.file(state), for: outcome.adapter)
    return outcome
  }

  private static func power(_ base: Double, _ exponent: Int) -> Double {
    (0..<exponent).reduce(1) { product, _ in product * base }
  }

  @Test(arguments: ServerOptimizer.Kind.allCases, ServerOptimizer.Convention.allCases)
  func stepsAreThoseOfTheFormulas(
    kind: ServerOptimizer.Kind, convention: ServerOptimizer.Convention
  ) throws {
    let optimizer = try ServerOptimizer(
      kind, convention: convention, learningRate: 0.05, momentum: 0.8, beta2: 0.95, tau: 0.01)
    var parent = try start()
    let place = 4
    var m = 0.0
    var v = convention == .reddi && kind != .fedavgm ? 0.01 * 0.01 : 0
    for t in 1...3 {
      let files = try files(t, parent)
      let x = Double(try parent.adapter().modules[1].loraB[place])
      let mean = try files.map { Double(try $0.adapter().modules[1].loraB[place]) }
        .reduce(0, +) / Double(Self.clients)
      let change = mean - x
      let square = change * change
      let expected: Double
      if kind == .fedavgm {
        m = 0.8 * m + change
        expected = x + 0.05 * m
      } else {
        m = 0.8 * m + 0.2 * change
        switch kind {
        case .fedadam: v = 0.95 * v + 0.05 * square
        case .fedyogi: v = v - 0.05 * square * (v > square ? 1 : -1)
        default: v += square
        }
        var rate = 0.05
        if kind == .fedadam, convention == .flower {
          rate *= (1 - Self.power(0.95, t + 1)).squareRoot() / (1 - Self.power(0.8, t + 1))
        }
        expected = x + rate * m / (v.squareRoot() + 0.01)
      }
      let outcome = try run(optimizer, files, parent, state: "state.safetensors")
      #expect(abs(Double(outcome.adapter.modules[1].loraB[place]) - expected) < 1e-5)
      #expect(outcome.adapter.provenance?.server?.hasPrefix("\(kind.rawValue) (\(convention.rawValue))") == true)
      parent = try open(outcome.adapter, "global-\(t).safetensors")
    }
  }

  @Test func plainMomentumOfZeroAndRateOneIsTheAggregate() throws {
    let parent = try start()
    let files = try files(1, parent)
    let optimizer = try ServerOptimizer(.fedavgm, learningRate: 1, momentum: 0)
    let moved = try run(optimizer, files, parent, state: "s").adapter
    let plain = try AggregationJob(try RuleCatalog.entry("fedavg"), .uniform).adapter(files)
    for (x, y) in zip(moved.modules, plain.modules) {
      for (a, b) in zip(x.loraA + x.loraB, y.loraA + y.loraB) { #expect(abs(a - b) < 1e-6) }
    }
  }

  /// A round that is run again, its state already written, gives the same bytes; the next round too.
  @Test func runningARoundAgainChangesNothing() throws {
    let optimizer = try ServerOptimizer(.fedadam)
    let first = try start()
    let one = try run(optimizer, try files(1, first), first, state: "s").adapter
    let second = try open(one, "global-1.safetensors")
    let two = try run(optimizer, try files(2, second), second, state: "s").adapter
    let state = try sample.folder.read("s")
    #expect(try run(optimizer, try files(2, second), second, state: "s").adapter.digest()
      == two.digest())
    #expect(try sample.folder.read("s") == state)
    // Two rounds back its moments are gone.
    #expect(throws: ServerState.Mismatch.self) {
      try run(optimizer, try files(1, first), first, state: "s")
    }
  }

  @Test func foreignStatesAreRefused() throws {
    let parent = try start()
    let files = try files(1, parent)
    _ = try run(try ServerOptimizer(.fedadam), files, parent, state: "s")
    #expect(throws: ServerState.Mismatch.self) {
      try run(try ServerOptimizer(.fedyogi), files, parent, state: "s")
    }
    #expect(throws: ServerState.Mismatch.self) {
      try run(try ServerOptimizer(.fedadam, convention: .flower), files, parent, state: "s")
    }
    _ = try sample.folder.write("garbage", "no state")
    #expect(throws: (any Error).self) {
      try run(try ServerOptimizer(.fedadam), files, parent, state: "garbage")
    }
    #expect(throws: ServerState.Mismatch.self) {
      try ServerState.open(files[0].path, try ServerOptimizer(.fedadam), parent: parent)
    }
  }

  /// RoLoRA's rounds move one factor; the other must not drift by old momentum.
  @Test func factorsThatWereNotTrainedStay() throws {
    let parent = try start()
    let optimizer = try ServerOptimizer(.fedadam)
    let files = try (0..<3).map { index in
      var client = SampleRound.Client(name: "\(index)", seed: UInt64(index + 1), parent: nil)
      client.seedA = 99 &+ 1000
      client.trained = "B"
      return try sample.file(client, "b\(index).safetensors")
    }
    let job = try AggregationJob(
      rule: try RuleCatalog.entry("alternate"), weights: .uniform, parent: parent,
      server: optimizer, tool: "test")
    let result = try job.run(files, withDigests: false).adapter
    let original = try parent.adapter()
    for (x, y) in zip(result.modules, original.modules) {
      #expect(x.loraA == y.loraA)
      #expect(x.loraB != y.loraB)
    }
  }

  @Test func rulesWithOtherFactorsAreRefused() throws {
    let parent = try start()
    for name in ["svd", "stack", "fedex", "geometric-median", "krum"] {
      #expect(throws: AggregationError.self) {
        try AggregationJob(
          rule: try RuleCatalog.entry(name), parent: parent, server: try ServerOptimizer(.fedadam),
          tool: "test")
      }
    }
    #expect(throws: AggregationError.missingParent(needs: "--server-optimizer")) {
      try AggregationJob(
        rule: try RuleCatalog.entry("fedavg"), server: try ServerOptimizer(.fedadam), tool: "test")
    }
    for (rate, momentum, beta2, tau) in [
      (0.0, 0.9, 0.99, 1e-3), (.nan, 0.9, 0.99, 1e-3), (1, 1, 0.99, 1e-3), (1, 0.9, -1, 1e-3),
      (1, 0.9, 0.99, 0),
    ] {
      #expect(throws: AggregationError.self) {
        try ServerOptimizer(
          .fedadam, learningRate: rate, momentum: momentum, beta2: beta2, tau: tau)
      }
    }
  }

  // MARK: FedNova

  @Test func fednovaTakesChangesPerStep() throws {
    let parent = try start()
    let steps = [2, 5, 10]
    let adapters = try files(1, parent).enumerated().map { index, file -> Adapter in
      var adapter = try file.adapter()
      adapter.provenance?.steps = steps[index]
      return adapter
    }
    let files = try adapters.enumerated().map { try open($1, "nova-\($0).safetensors") }
    let rule = try RuleCatalog.entry("fednova")
    let result = try AggregationJob(rule, .uniform, parent: parent).adapter(files)
    let start = try parent.adapter()
    let mean = steps.reduce(0.0) { $0 + Double($1) / 3 }
    for (index, module) in result.modules.enumerated() {
      for place in module.loraA.indices {
        let x = Double(start.modules[index].loraA[place])
        let sum = zip(adapters, steps).reduce(0.0) {
          $0 + (Double($1.0.modules[index].loraA[place]) - x) / Double($1.1) / 3
        }
        #expect(abs(Double(module.loraA[place]) - (x + mean * sum)) < 1e-5)
      }
    }
    #expect(throws: AggregationError.missingParent(needs: "rule \"fednova\"")) {
      try AggregationJob(rule, .uniform).adapter(files)
    }
  }

  @Test func fednovaBoundsWhatAClaimOfFewStepsDoes() throws {
    let parent = try start()
    let files = try files(1, parent).enumerated().map { index, file -> AdapterFile in
      var adapter = try file.adapter()
      adapter.provenance?.steps = index == 0 ? 1 : 1_000_000
      return try open(adapter, "few-\(index).safetensors")
    }
    let rule = try RuleCatalog.entry("fednova")
    let result = try AggregationJob(rule, .uniform, parent: parent).adapter(files)
    let (start, first) = (try parent.adapter(), try files[0].adapter())
    for place in result.modules[0].loraA.indices {
      let x = start.modules[0].loraA[place]
      let own = abs(result.modules[0].loraA[place] - x)
      let others = try files.dropFirst().map {
        abs(try $0.adapter().modules[0].loraA[place] - x)
      }.reduce(0, +)
      #expect(own <= 10 * abs(first.modules[0].loraA[place] - x) / 3 + others + 1e-4)
    }
  }
}
