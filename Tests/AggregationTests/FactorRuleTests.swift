// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Randomness
import Safetensors
import TestSupport
import Testing

/// `share-a`, `hetlora`, `segment`, `fair`, `ties`, `dare` and `bulyan` against loops over plain arrays.
@Suite struct FactorRuleTests {
  let sample: SampleRound
  init() throws { sample = try SampleRound() }

  private func run(
    _ name: String, _ clients: [SampleRound.Client], _ options: RuleOptions = RuleOptions(),
    _ weights: WeightChoice? = nil, parent: AdapterFile? = nil
  ) throws -> AggregationJob.Outcome {
    try AggregationJob(
      try RuleCatalog.entry(name), weights, options: options, parent: parent
    ).run(try sample.files(clients), withDigests: false)
  }

  private static func ranked(_ ranks: [Int]) -> [SampleRound.Client] {
    zip(SampleRound.clients(ranks.count), ranks).map { client, rank in
      var client = client
      client.rank = rank
      return client
    }
  }

  /// √s · A[row, input] and √s · B[output, row] of a client; 0 beyond its rank.
  private func folded(_ adapter: Adapter, _ index: Int) -> (
    a: (Int, Int) -> Double, b: (Int, Int) -> Double
  ) {
    let module = adapter.modules[index]
    let root = adapter.scale(of: module).squareRoot()
    return (
      { $0 < module.rank ? root * Double(module.loraA[$0 * module.inputSize + $1]) : 0 },
      { $1 < module.rank ? root * Double(module.loraB[$0 * module.rank + $1]) : 0 }
    )
  }

  private func expectPadded(
    _ result: Adapter, _ adapters: [Adapter], _ share: (_ client: Int, _ row: Int) -> Double
  ) {
    for (index, module) in result.modules.enumerated() {
      #expect(module.rank == 4 && result.scale(of: module) == 1)
      let clients = adapters.map { folded($0, index) }
      for row in 0..<4 {
        for input in 0..<module.inputSize {
          let expected = clients.enumerated().reduce(0) {
            $0 + share($1.offset, row) * $1.element.a(row, input)
          }
          #expect(abs(Double(module.loraA[row * module.inputSize + input]) - expected) < 1e-6)
        }
        for output in 0..<module.outputSize {
          let expected = clients.enumerated().reduce(0) {
            $0 + share($1.offset, row) * $1.element.b(output, row)
          }
          #expect(abs(Double(module.loraB[output * 4 + row]) - expected) < 1e-6)
        }
      }
    }
  }

  @Test func hetloraFillsUpWithZerosAndWeighsByNorm() throws {
    let clients = Self.ranked([1, 4, 2])
    let adapters = clients.map(SampleRound.adapter)
    let norms = adapters.map { adapter in
      Dense.norm(adapter.modules.indices.flatMap { Dense.update(adapter, $0) })
    }
    let sum = norms.reduce(0, +)
    expectPadded(try run("hetlora", clients).adapter, adapters) { client, _ in norms[client] / sum }
  }

  @Test func segmentsAreAveragedAmongThoseThatHaveThem() throws {
    let clients = Self.ranked([1, 4, 2])
    let adapters = clients.map(SampleRound.adapter)
    let weights = [1.0, 2, 3]
    expectPadded(try run("segment", clients).adapter, adapters) { client, row in
      let present = adapters.indices.filter { adapters[$0].modules[0].rank > row }
      let sum = present.reduce(0) { $0 + weights[$1] }
      return present.contains(client) ? weights[client] / sum : 0
    }
    let equal = SampleRound.clients(3)
    let plain = try run("fedavg", equal).adapter
    let segments = try run("segment", equal).adapter
    for index in plain.modules.indices {
      let (x, y) = (Dense.update(plain, index), Dense.update(segments, index))
      #expect(Dense.distance(x, y) < 1e-6 * Dense.norm(x))
    }
  }

  @Test func clientsGoOnFromWhatIsTheirs() throws {
    let clients = Self.ranked([1, 4, 2])
    for name in ["hetlora", "segment", "svd"] {
      let outcome = try run(name, clients)
      let personal = try PersonalAdapters.make(outcome, of: try RuleCatalog.entry(name))
      #expect(personal.map(\.client) == ["0", "1", "2"])
      #expect(personal.map { $0.adapter.modules[0].rank } == [1, 4, 2])
      let (whole, cut) = (outcome.adapter.modules[1], personal[2].adapter.modules[1])
      #expect(cut.loraA == Array(whole.loraA.prefix(2 * whole.inputSize)))
      #expect(cut.loraB[2] == whole.loraB[4] && personal[2].adapter.scale(of: cut) == 1)
    }
    var own = SampleRound.clients(3)
    own[1].alpha = 12
    let outcome = try run("share-a", own)
    #expect(outcome.adapter.digest() == (try run("fedavg", own).adapter.digest()))
    for (client, item) in zip(
      own, try PersonalAdapters.make(outcome, of: try RuleCatalog.entry("share-a")))
    {
      let theirs = SampleRound.adapter(client)
      for (index, module) in item.adapter.modules.enumerated() {
        #expect(module.loraA == outcome.adapter.modules[index].loraA)
        let root = theirs.scale(of: theirs.modules[index]).squareRoot()
        #expect(module.loraB == theirs.modules[index].loraB.map { Float(root * Double($0)) })
      }
    }
  }

  @Test(arguments: ["../evil", "", ".hidden", "a/b", "x\u{0}"])
  func namesThatAreNoFilesAreRefused(name: String) throws {
    var clients = SampleRound.clients(2)
    clients[1].name = name
    let outcome = try run("share-a", clients)
    #expect(throws: PersonalAdapters.Problem.self) {
      try PersonalAdapters.make(outcome, of: try RuleCatalog.entry("share-a"))
    }
  }

  @Test(arguments: [0.001, 0.01, 10])
  func fairSolvesTheRidgeRegression(ridge: Double) throws {
    var options = RuleOptions()
    options.ridge = ridge
    let clients = SampleRound.clients(3)
    let adapters = clients.map(SampleRound.adapter)
    let plain = try run("fedavg", clients).adapter
    let result = try run("fair", clients, options).adapter
    for (index, module) in result.modules.enumerated() {
      #expect(module.loraA == plain.modules[index].loraA)
      let (rank, inputs, outputs) = (module.rank, module.inputSize, module.outputSize)
      let scale = result.scale(of: module)
      let exact = Dense.sum(adapters, [1.0 / 6, 2.0 / 6, 3.0 / 6], index)
      let a = module.loraA.map(Double.init)
      let level = min(1, a.reduce(0) { $0 + $1 * $1 } / Double(rank))
      // The gradient of ‖M/s − (B̄ + X)Ā‖² + λ‖X‖² vanishes.
      for output in 0..<outputs {
        for row in 0..<rank {
          var gradient =
            ridge * level
            * (Double(module.loraB[output * rank + row])
              - Double(plain.modules[index].loraB[output * rank + row]))
          for input in 0..<inputs {
            var value = -exact[output * inputs + input] / scale
            for k in 0..<rank {
              value += Double(module.loraB[output * rank + k]) * a[k * inputs + input]
            }
            gradient += value * a[row * inputs + input]
          }
          #expect(abs(gradient) < 1e-4)
        }
      }
      let before = Dense.distance(Dense.update(plain, index), exact)
      #expect(Dense.distance(Dense.update(result, index), exact) < before)
    }
  }

  @Test(arguments: [0.3, 1])
  func tiesTrimsElectsAndAverages(density: Double) throws {
    var options = RuleOptions()
    options.density = density
    let clients = SampleRound.clients(4)
    let adapters = clients.map(SampleRound.adapter)
    let result = try run("ties", clients, options, .uniform).adapter
    for (index, module) in result.modules.enumerated() {
      let count = module.loraB.count
      let kept = adapters.map { adapter -> [Double] in
        let values = adapter.modules[index].loraB.map(Double.init)
        let order = values.indices.sorted { abs(values[$0]) > abs(values[$1]) }
        let top = Set(order.prefix(max(1, Int(density * Double(count)))))
        return values.indices.map { top.contains($0) ? values[$0] : 0 }
      }
      for place in 0..<count {
        let column = kept.map { $0[place] }
        let sum = column.reduce(0, +)
        let agreeing = column.filter { $0 * sum > 0 }
        let expected = agreeing.isEmpty ? 0 : agreeing.reduce(0, +) / Double(agreeing.count)
        #expect(abs(Double(module.loraB[place]) - expected) < 1e-6)
      }
    }
  }

  @Test func dareKeepsTheMeanAndDependsOnTheSeedAlone() throws {
    var options = RuleOptions()
    options.density = 0.25
    let clients = SampleRound.clients(3)
    let first = try run("dare", clients, options).adapter
    #expect(try run("dare", clients, options).adapter.digest() == first.digest())
    options.seed = 2
    #expect(try run("dare", clients, options).adapter.digest() != first.digest())
    // Over many seeds the mean is that of all values, and a quarter of them survives.
    let one = [clients[0]]
    let plain = SampleRound.adapter(one[0]).modules[0].loraB
    var sums = [Double](repeating: 0, count: plain.count)
    var survivors = 0
    let draws = 250
    for seed in 0..<draws {
      options.seed = UInt64(seed)
      let values = try run("dare", one, options).adapter.modules[0].loraB
      for place in values.indices {
        sums[place] += Double(values[place])
        if values[place] != 0 {
          survivors += 1
          #expect(values[place] == plain[place] * 4)
        }
      }
    }
    let share = Double(survivors) / Double(draws * plain.count)
    #expect(abs(share - 0.25) < 0.01)
    for place in plain.indices {
      // Four standard deviations of a mean of `draws` values x/p with probability p.
      let bound = 4 * abs(Double(plain[place])) * (3.0 / Double(draws)).squareRoot()
      #expect(abs(sums[place] / Double(draws) - Double(plain[place])) <= bound + 1e-6)
    }
  }

  @Test(arguments: ["ties", "dare"])
  func parentIsTakenAwayAndAdded(name: String) throws {
    var options = RuleOptions()
    options.density = 1
    let parent = try sample.file(SampleRound.Client(name: nil, seed: 99), "parent.safetensors")
    var clients = SampleRound.clients(3)
    for index in clients.indices { clients[index].parent = parent.digest() }
    let result = try run(name, clients, options, .uniform, parent: parent).adapter
    let adapters = clients.map(SampleRound.adapter)
    let start = try parent.adapter()
    for (index, module) in result.modules.enumerated() {
      for place in module.loraA.indices {
        let origin = Double(start.modules[index].loraA[place])
        let changes = adapters.map { Double($0.modules[index].loraA[place]) - origin }
        let sum = changes.reduce(0, +)
        let taken = name == "dare" ? changes : changes.filter { $0 * sum > 0 }
        let expected = origin + (taken.isEmpty ? 0 : taken.reduce(0, +) / Double(taken.count))
        #expect(abs(Double(module.loraA[place]) - expected) < 1e-6)
      }
    }
  }

  @Test(arguments: [(7, 1), (11, 2), (9, 0)])
  func bulyanPicksAnewAndAveragesNearTheMedian(count: Int, hostile: Int) throws {
    var options = RuleOptions()
    options.hostile = hostile
    var clients = SampleRound.clients(count)
    // Two that are nearest to one another have equal scores: the first by name is picked.
    for index in clients.indices { clients[index].name = "\(100 + index)" }
    let adapters = clients.map(SampleRound.adapter)
    let vectors = adapters.map { adapter in
      adapter.modules.indices.flatMap { Dense.update(adapter, $0) }
    }
    var left = Array(0..<count)
    var picked: [Int] = []
    while picked.count < count - 2 * hostile {
      func score(_ client: Int) -> Double {
        left.filter { $0 != client }.map {
          let distance = Dense.distance(vectors[client], vectors[$0])
          return distance * distance
        }.sorted().prefix(max(1, left.count - hostile - 2)).reduce(0, +)
      }
      let best = left.min { score($0) < score($1) } ?? 0
      picked.append(best)
      left.removeAll { $0 == best }
    }
    let result = try run("bulyan", clients, options).adapter
    for (index, module) in result.modules.enumerated() {
      for place in module.loraB.indices {
        let values = picked.map { Double(adapters[$0].modules[index].loraB[place]) }.sorted()
        let middle = (values[(values.count - 1) / 2] + values[values.count / 2]) / 2
        let nearest = values.sorted { abs($0 - middle) < abs($1 - middle) }
          .prefix(picked.count - 2 * hostile)
        let expected = nearest.reduce(0, +) / Double(nearest.count)
        #expect(abs(Double(module.loraB[place]) - expected) < 1e-6)
      }
    }
    options.hostile = (count - 3) / 4 + 1
    #expect(throws: AggregationError.self) { try run("bulyan", clients, options) }
  }
}
