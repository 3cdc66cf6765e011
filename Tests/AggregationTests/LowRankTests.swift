// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import TestSupport
import Testing

/// `stack`, `svd` and `fedex` against dense matrices.
@Suite struct LowRankTests {
  let sample: SampleRound
  init() throws { sample = try SampleRound() }

  private static let weights = [0.1, 0.2, 0.3, 0.4]

  /// Four clients of different ranks and scales.
  private static var mixed: [SampleRound.Client] {
    zip(SampleRound.clients(4), [1, 3, 2, 4]).map { client, rank in
      var client = client
      client.rank = rank
      client.isRankStabilized = rank == 2
      return client
    }
  }

  private func run(
    _ name: String, _ clients: [SampleRound.Client], _ options: RuleOptions = RuleOptions()
  ) throws -> AggregationJob.Outcome {
    try AggregationJob(try RuleCatalog.entry(name), options: options).run(
      try sample.files(clients), withDigests: false)
  }

  @Test func stackIsTheExactMean() throws {
    let result = try run("stack", Self.mixed).adapter
    let adapters = Self.mixed.map(SampleRound.adapter)
    #expect(result.modules.map(\.rank) == [10, 10])
    for index in result.modules.indices {
      #expect(result.scale(of: result.modules[index]) == 1)
      let exact = Dense.sum(adapters, Self.weights, index)
      #expect(
        Dense.distance(Dense.update(result, index), exact) <= 1e-7 * Dense.norm(exact))
    }
  }

  @Test(arguments: 1...6)
  func svdIsTheBestApproximation(rank: Int) throws {
    var options = RuleOptions()
    options.rank = rank
    let outcome = try run("svd", Self.mixed, options)
    let adapters = Self.mixed.map(SampleRound.adapter)
    for (index, module) in outcome.adapter.modules.enumerated() {
      #expect(module.rank == rank && outcome.adapter.scale(of: module) == 1)
      let exact = Dense.sum(adapters, Self.weights, index)
      let values = Dense.singularValues(exact, rows: module.outputSize, columns: module.inputSize)
      let floor = values.dropFirst(rank).reduce(0) { $0 + $1 * $1 }.squareRoot()
      let error = Dense.distance(Dense.update(outcome.adapter, index), exact)
      #expect(abs(error - floor) <= 1e-6 * values[0])
      let told = try #require(outcome.result.truncation?[index])
      #expect(abs(told - floor) <= 1e-7 * values[0])
      // Balanced, orthogonal, falling, and the largest value of each column of B positive.
      for column in 0..<min(rank, values.count) {
        let b = (0..<module.outputSize).map { Double(module.loraB[$0 * rank + column]) }
        let a = (0..<module.inputSize).map {
          Double(module.loraA[column * module.inputSize + $0])
        }
        #expect(abs(Dense.norm(a) * Dense.norm(b) - values[column]) <= 1e-6 * values[0])
        #expect(abs(Dense.norm(a) - Dense.norm(b)) <= 1e-6 * Dense.norm(b))
        let extreme = b.max { abs($0) < abs($1) } ?? 0
        #expect(extreme > 0)
      }
      if rank > 5 {
        #expect(module.loraA.dropFirst(5 * module.inputSize).allSatisfy { $0 == 0 })
      }
    }
  }

  @Test func rankIsTheClientsLargestByDefault() throws {
    #expect(try run("svd", Self.mixed).adapter.modules.map(\.rank) == [4, 4])
  }

  @Test(arguments: [0.3, 0.8, 0.99, 1])
  func energyChoosesTheLeastRank(energy: Double) throws {
    var options = RuleOptions()
    options.energy = energy
    let result = try run("svd", Self.mixed, options).adapter
    let adapters = Self.mixed.map(SampleRound.adapter)
    for (index, module) in result.modules.enumerated() {
      let values = Dense.singularValues(
        Dense.sum(adapters, Self.weights, index), rows: 7, columns: 5)
      let total = values.reduce(0) { $0 + $1 * $1 }
      func share(_ rank: Int) -> Double { values.prefix(rank).reduce(0) { $0 + $1 * $1 } / total }
      #expect(share(module.rank) >= energy - 1e-12)
      #expect(module.rank == 1 || share(module.rank - 1) < energy)
    }
  }

  @Test func meanAndResidualOfFedexAreExact() throws {
    for alphas in [[6.0, 6, 6], [6, 12, 3]] {
      var clients = SampleRound.clients(3)
      for index in 0..<3 {
        clients[index].alpha = alphas[index]
        clients[index].rank = 1
      }
      let outcome = try run("fedex", clients)
      let plain = try run("fedavg", clients).adapter
      #expect(outcome.adapter.digest() == plain.digest())
      let residual = try #require(outcome.result.residual)
      let adapters = clients.map(SampleRound.adapter)
      for index in residual.modules.indices {
        #expect(residual.modules[index].rank <= 2)
        let exact = Dense.sum(adapters, [1.0 / 6, 2.0 / 6, 3.0 / 6], index)
        let mean = Dense.update(outcome.adapter, index)
        let sum = zip(mean, Dense.update(residual, index)).map { $0 + $1 }
        #expect(Dense.distance(sum, exact) <= 1e-6 * Dense.norm(exact))
        let whole = try #require(outcome.result.exact)
        #expect(Dense.distance(Dense.update(whole, index), exact) <= 1e-6 * Dense.norm(exact))
        #expect(Dense.distance(mean, exact) > 0.1 * Dense.norm(exact))
      }
      #expect(residual.provenance?.rule == "fedex")
    }
  }

  @Test func zeroUpdatesStayZero() throws {
    var adapter = SampleRound.adapter(SampleRound.Client())
    for (index, module) in adapter.modules.enumerated() {
      adapter.setFactors(
        index, loraA: module.loraA, loraB: module.loraB.map { _ in 0 })
    }
    try AdapterWriter.write(adapter, to: sample.folder.file("zero.safetensors"))
    let file = try AdapterReader.open(path: sample.folder.file("zero.safetensors"))
    for rule in RuleCatalog.all where !rule.traits.contains(.commonFactor) {
      let result = try AggregationJob(rule).adapter([file, file, file])
      for index in result.modules.indices {
        #expect(Dense.norm(Dense.update(result, index)) == 0)
      }
    }
  }

  /// Values that fall over six decades, sizes around the blocks, more ranks than columns.
  @Test(arguments: [(40, 30, 12), (1030, 17, 33), (9, 600, 20)])
  func singularValuesAreThoseOfTheDenseMatrix(inputs: Int, outputs: Int, ranks: Int) {
    var generator = Generator(seed: UInt64(inputs))
    var sum = ProductSum(inputSize: inputs, outputSize: outputs)
    var dense = [Double](repeating: 0, count: inputs * outputs)
    for rank in 0..<ranks {
      let size = 1 / Double(1 << min(rank, 20))
      let b = (0..<outputs).map { _ in size * Double(generator.next()) }
      let a = (0..<inputs).map { _ in Double(generator.next()) * 100 }
      sum.add(loraB: b, loraA: a, rank: 1)
      for (place, value) in Dense.product(b, a, outputs, 1, inputs, 1).enumerated() {
        dense[place] += value
      }
    }
    let expected = Dense.singularValues(dense, rows: outputs, columns: inputs)
    for rank in [1, 5, 8] {
      let found = sum.lowRank(RankChoice(rank: rank))
      for (value, reference) in zip(found.singularValues, expected) {
        #expect(abs(value - reference) <= 1e-7 * expected[0])
      }
      let product = Dense.product(found.loraB, found.loraA, outputs, rank, inputs, 1)
      let floor = expected.dropFirst(rank).reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(abs(Dense.distance(product, dense) - floor) <= 1e-9 * expected[0])
    }
  }
}

extension Dense {
  /// Falling; by two-sided Jacobi rotations of the smaller of MᵀM and MMᵀ.
  static func singularValues(_ values: [Double], rows: Int, columns: Int) -> [Double] {
    let size = min(rows, columns)
    var gram = [[Double]](repeating: [Double](repeating: 0, count: size), count: size)
    for i in 0..<size {
      for j in 0..<size {
        for k in 0..<max(rows, columns) {
          gram[i][j] +=
            rows < columns
            ? values[i * columns + k] * values[j * columns + k]
            : values[k * columns + i] * values[k * columns + j]
        }
      }
    }
    for _ in 0..<60 {
      for p in 0..<size {
        for q in p + 1..<max(size, p + 1) where gram[p][q] != 0 {
          let theta = (gram[q][q] - gram[p][p]) / (2 * gram[p][q])
          let t = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
          let c = 1 / (t * t + 1).squareRoot()
          let s = t * c
          for k in 0..<size {
            let (x, y) = (gram[k][p], gram[k][q])
            (gram[k][p], gram[k][q]) = (c * x - s * y, s * x + c * y)
          }
          for k in 0..<size {
            let (x, y) = (gram[p][k], gram[q][k])
            (gram[p][k], gram[q][k]) = (c * x - s * y, s * x + c * y)
          }
        }
      }
    }
    return (0..<size).map { max(0, gram[$0][$0]).squareRoot() }.sorted(by: >)
  }
}
