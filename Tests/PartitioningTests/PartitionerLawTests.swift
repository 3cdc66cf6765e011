// SPDX-License-Identifier: Apache-2.0
import Partitioning
import Randomness
import Testing

/// A method as on the command line; every entry of the catalog appears.
struct MethodCase: Sendable, CustomTestStringConvertible {
  let text: String
  let alpha: Double
  var testDescription: String { "\(text) alpha \(alpha)" }

  /// `like` needs a plan and has tests of its own.
  static let all: [MethodCase] = PartitionerCatalog.names.filter { $0 != "like" }.flatMap { name in
    [0.001, 0.5, 100].map { MethodCase(text: name == "only" ? "only:length" : name, alpha: $0) }
  } + [
    "rank:0", "rank:0.6", "shards:1", "shards:50", "pathological:1", "pathological:99",
    "only:quality", "only:sentences", "grouped:1", "joint:sentences,quality",
  ].map { MethodCase(text: $0, alpha: 1) }

  /// What it needs beside the method's name, and how many clients it makes of three values.
  var by: String? {
    if text.hasPrefix("only") || text.hasPrefix("joint") { return nil }
    return text.hasPrefix("natural") || text.hasPrefix("grouped") ? "label:source" : "length"
  }
  var clients: Int? {
    text.hasPrefix("natural") || text.hasPrefix("grouped") ? nil : 7
  }

  func make() throws -> any Partitioner {
    try PartitionerCatalog.partitioner(text, alpha: alpha)
  }
}

@Suite struct PartitionerLawTests {
  /// Records with heavy-tailed lengths and their quantile bins.
  private func problem(
    records: Int, clients: Int, minimum: Int = 0, seed: UInt64 = 1
  ) -> PartitionProblem {
    let values = Corpus.lengths(records)
    let binning = Binning(axis: .length, rule: .quantile(10), sorted: values.sorted())
    let bins = RecordBins(binning: binning, binOf: values.map { Int32(binning.bin(of: $0)) })
    return PartitionProblem(
      recordCount: records, clients: clients, bins: bins, values: RankedValues(values),
      minimum: minimum,
      seed: Seed(seed))
  }

  @Test(arguments: MethodCase.all)
  func everyRecordGoesToOneClient(method: MethodCase) throws {
    let partitioner = try method.make()
    for (records, clients) in [(0, 1), (1, 1), (1, 5), (7, 7), (100, 3), (1003, 17), (40, 100)] {
      let division = partitioner.divide(problem(records: records, clients: clients))
      #expect(division.clientOf.count == records)
      #expect(division.clientOf.allSatisfy { (0..<Int32(clients)).contains($0) })
      for row in division.proportions ?? [] {
        #expect(row.count == clients)
        #expect(row.allSatisfy { (0...1).contains($0) })
      }
    }
  }

  @Test(arguments: MethodCase.all)
  func equalProblemsGiveEqualResults(method: MethodCase) throws {
    let first = try method.make().divide(problem(records: 500, clients: 6))
    let again = try method.make().divide(problem(records: 500, clients: 6))
    #expect(first.clientOf == again.clientOf && first.proportions == again.proportions)
    let other = try method.make().divide(problem(records: 500, clients: 6, seed: 2))
    // Sorting without noise may meet no tie, and owners stay what they are.
    if method.text != "rank" && method.text != "natural" {
      #expect(first.clientOf != other.clientOf)
    }
  }

  @Test(arguments: MethodCase.all)
  func minimumSizesAreReached(method: MethodCase) throws {
    for (records, clients, minimum) in [(100, 10, 10), (500, 40, 8), (50, 50, 1), (300, 7, 0)] {
      let problem = problem(records: records, clients: clients, minimum: minimum)
      var clientOf = try method.make().divide(problem).clientOf
      let before = clientOf
      let moves = try MinimumSize.repair(
        &clientOf, bins: problem.bins, clients: clients, minimum: minimum, seed: Seed(1))
      var sizes = [Int](repeating: 0, count: clients)
      for client in clientOf { sizes[Int(client)] += 1 }
      #expect(sizes.allSatisfy { $0 >= minimum })
      let changed = zip(before, clientOf).filter { $0 != $1 }.count
      #expect(changed == moves.reduce(0) { $0 + $1.records })
      var missing = 0
      for client in 0..<clients {
        missing += max(0, minimum - before.filter { $0 == Int32(client) }.count)
      }
      #expect(changed == missing, "no record moves without need")
    }
  }

  @Test func repairTakesFromTheLargestAndItsMostTypicalBin() throws {
    // Client 0 has all of bin 1 and half of bin 0; client 2 has nothing.
    let bins = RecordBins(
      binning: Binning(axis: .length, cuts: .edges([1])), binOf: [0, 0, 0, 0, 1, 1])
    var clientOf: [Int32] = [0, 0, 1, 1, 0, 0]
    let moves = try MinimumSize.repair(
      &clientOf, bins: bins, clients: 3, minimum: 1, seed: Seed(1))
    #expect(moves == [MinimumSize.Move(from: 0, to: 2, bin: 1, records: 1)])
    #expect(clientOf[..<4] == [0, 0, 1, 1])
    #expect(clientOf[4...].sorted() == [0, 2])
  }

  @Test func tooFewRecordsAreRefused() {
    let expected = PartitionError.tooFewRecords(records: 9, clients: 5, minimum: 2)
    #expect(throws: expected) { try MinimumSize.check(records: 9, clients: 5, minimum: 2) }
    #expect(throws: PartitionError.self) {
      try MinimumSize.check(records: 9, clients: .max, minimum: .max)
    }
    #expect(throws: Never.self) { try MinimumSize.check(records: 10, clients: 5, minimum: 2) }
  }

  @Test func smallerAlphaIsLessEven() throws {
    for name in ["dirichlet", "dirichlet-client"] {
      let divergences = try [100, 10, 1, 0.1].map { alpha in
        try meanDivergence(MethodCase(text: name, alpha: alpha))
      }
      #expect(divergences == divergences.sorted(), "\(name): \(divergences)")
    }
    let divergences = try ["rank:0", "rank:0.3", "rank:0.6", "rank:0.9", "rank:1"].map {
      try meanDivergence(MethodCase(text: $0, alpha: 1))
    }
    #expect(divergences == divergences.sorted())
    #expect(try meanDivergence(MethodCase(text: "iid", alpha: 1)) < 0.01)
  }

  /// Reference values of ten quantile bins over 8 clients, measured by an independent program on
  /// another corpus of N = 12,014; with quantile bins the values themselves do not matter.
  @Test(arguments: [
    (MethodCase(text: "dirichlet", alpha: 10), 0.017, 0.008),
    (MethodCase(text: "dirichlet", alpha: 1), 0.164, 0.05),
    (MethodCase(text: "dirichlet", alpha: 0.1), 0.634, 0.07),
    (MethodCase(text: "rank:0.6", alpha: 1), 0.096, 0.01),
    (MethodCase(text: "rank:0.9", alpha: 1), 0.346, 0.01),
    (MethodCase(text: "rank:1", alpha: 1), 0.819, 0.01),
  ])
  func divergencesAreThoseOfTheReference(
    method: MethodCase, expected: Double, tolerance: Double
  ) throws {
    let found = try meanDivergence(method, records: 4000, clients: 8)
    #expect(abs(found - expected) < tolerance, "\(found)")
  }

  private func meanDivergence(
    _ method: MethodCase, records: Int = 2000, clients: Int = 8
  ) throws -> Double {
    var sum = 0.0
    for seed in 1...10 {
      let problem = problem(records: records, clients: clients, seed: UInt64(seed))
      let clientOf = try method.make().divide(problem).clientOf
      let counts = CountMatrix(
        clients: clients, bins: problem.bins.count, clientOf: clientOf, binOf: problem.bins.binOf)
      sum += InformationIndices(counts).normalised / 10
    }
    return sum
  }

  @Test func dirichletCountsAreTheLargestRemaindersOfItsProportions() throws {
    let problem = problem(records: 1000, clients: 5)
    let division = try MethodCase(text: "dirichlet", alpha: 0.3).make().divide(problem)
    let counts = CountMatrix(
      clients: 5, bins: problem.bins.count, clientOf: division.clientOf,
      binOf: problem.bins.binOf)
    let sizes = problem.bins.sizes
    for (bin, shares) in try #require(division.proportions).enumerated() {
      #expect(
        (0..<5).map { counts[$0, bin] } == Apportionment.parts(of: sizes[bin], shares: shares))
    }
  }

  @Test func aBinsSharesDoNotDependOnOtherBins() throws {
    let few = RecordBins(
      binning: Binning(axis: .length, cuts: .edges([1])), binOf: [0, 0, 1, 1, 1])
    let many = RecordBins(
      binning: Binning(axis: .length, cuts: .edges([1, 2])), binOf: [0, 0, 1, 1, 1, 2, 2, 2, 2])
    let method = try MethodCase(text: "dirichlet", alpha: 0.3).make()
    let small = method.divide(
      PartitionProblem(recordCount: 5, clients: 4, bins: few, seed: Seed(1)))
    let large = method.divide(
      PartitionProblem(recordCount: 9, clients: 4, bins: many, seed: Seed(1)))
    #expect(small.clientOf == Array(large.clientOf[..<5]))
    #expect(small.proportions?[0] == large.proportions?[0])
  }

  @Test func clientMixturesComeWithEqualSizes() throws {
    let division = try MethodCase(text: "dirichlet-client", alpha: 0.1).make().divide(
      problem(records: 1003, clients: 10))
    let sizes = (0..<10).map { client in division.clientOf.filter { $0 == client }.count }
    #expect(sizes.sorted() == [100, 100, 100, 100, 100, 100, 100, 101, 101, 101])
  }

  @Test func quantityOfAnAmountStaysWithinTheLargestRecord() throws {
    for seed in 1...20 {
      let problem = problem(records: 700, clients: 6, seed: UInt64(seed))
      let values = try #require(problem.values).values
      let division = try MethodCase(text: "quantity", alpha: 1).make().divide(problem)
      let shares = try #require(division.proportions?.first)
      let total = values.reduce(0, +)
      for client in 0..<6 {
        let sum = zip(values, division.clientOf).reduce(0) {
          $1.1 == Int32(client) ? $0 + $1.0 : $0
        }
        #expect(abs(sum - shares[client] * total) <= (values.max() ?? 0) + 1e-6)
      }
    }
  }

  @Test func perfectRankSortsTheClients() throws {
    let problem = problem(records: 600, clients: 5)
    let values = try #require(problem.values).values
    let division = try MethodCase(text: "rank", alpha: 1).make().divide(problem)
    for client in 0..<4 {
      let own = zip(values, division.clientOf).filter { $0.1 == Int32(client) }.map(\.0)
      let next = zip(values, division.clientOf).filter { $0.1 == Int32(client + 1) }.map(\.0)
      #expect(try #require(own.max()) <= #require(next.min()))
    }
  }

  @Test(arguments: [
    ("", 1.0), ("nope", 1), ("Dirichlet", 1), ("dirichlet:3", 1), ("rank:2", 1), ("rank:x", 1),
    ("rank:nan", 1), ("shards:0", 1), ("dirichlet", 0), ("dirichlet", -1), ("dirichlet", .nan),
    ("dirichlet", .infinity),
  ])
  func badMethodsAreRefused(text: String, alpha: Double) {
    #expect(throws: PartitionError.self) {
      try PartitionerCatalog.partitioner(text, alpha: alpha)
    }
  }
}

/// Made-up corpora.
enum Corpus {
  /// Lengths whose logarithm is normal, so that a few are very long.
  static func lengths(_ count: Int) -> [Double] {
    var draws = Seed(99).stream("corpus")
    return (0..<count).map { _ in PortableMath.exp(4 + draws.normal()).rounded() + 1 }
  }

  /// Scored records as JSON Lines.
  static func lines(_ count: Int) -> [String] {
    var draws = Seed(98).stream("corpus")
    return lengths(count).enumerated().map { index, length in
      let quality = (draws.uniform() * 1000).rounded() / 1000
      return """
        {"id":"r\(index)","text":"some text \(index)", "source":"s\(index % 3)",\
        "cl_score":{"v":1,"tokens":\(Int(length)),"sentences":\(1 + Int(length) / 12),\
        "quality":\(quality),"score":\(quality / 2)}}
        """
    }
  }
}
