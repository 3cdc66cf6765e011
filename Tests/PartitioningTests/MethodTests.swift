// SPDX-License-Identifier: Apache-2.0
import Partitioning
import Randomness
import Streams
import TestSupport
import Testing

/// What is particular to a method, and the known defect of other programs that it does not have.
@Suite struct MethodTests {
  private let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  private func labels(_ sizes: [Int]) -> RecordBins {
    let names = sizes.indices.map { "label-\($0)" }
    return RecordBins(
      binning: Binning(axis: .label(field: "k"), cuts: .categories(names)),
      binOf: sizes.enumerated().flatMap { [Int32](repeating: Int32($0), count: $1) })
  }

  private func divide(_ method: String, _ bins: RecordBins, clients: Int, seed: UInt64 = 1) throws -> CountMatrix {
    let problem = PartitionProblem(
      recordCount: bins.binOf.count, clients: clients, bins: bins, seed: Seed(seed))
    let division = try PartitionerCatalog.partitioner(method, alpha: 0.3).divide(problem)
    return CountMatrix(
      clients: clients, bins: bins.count, clientOf: division.clientOf, binOf: bins.binOf)
  }

  /// flwr-datasets' PathologicalPartitioner loses the records of classes that no client drew.
  @Test func pathologicalLosesNoBin() throws {
    for seed in 1...30 {
      for (clients, perClient, bins) in [(5, 2, 10), (10, 2, 10), (3, 2, 10), (7, 3, 4), (4, 9, 3)] {
        let sizes = (0..<bins).map { 20 + 3 * $0 }
        let counts = try divide(
          "pathological:\(perClient)", labels(sizes), clients: clients, seed: UInt64(seed))
        #expect(counts.binTotals == sizes)
        let owned = max(min(perClient, bins), (bins + clients - 1) / clients)
        let owners = (0..<bins).map { bin in (0..<clients).filter { counts[$0, bin] > 0 } }
        for client in 0..<clients {
          #expect(counts.row(client).filter { $0 > 0 }.count == owned)
        }
        let ownerCounts = owners.map(\.count)
        #expect((ownerCounts.max() ?? 0) - (ownerCounts.min() ?? 0) <= 1)
        for bin in 0..<bins {
          let shares = owners[bin].map { counts[$0, bin] }
          #expect((shares.max() ?? 0) - (shares.min() ?? 0) <= 1)
        }
      }
    }
  }

  @Test func naturalNeverCutsAnOwner() throws {
    var draws = Seed(7).stream("owners")
    for _ in 0..<100 {
      let sizes = (0..<(1 + draws.integer(below: 12))).map { _ in 1 + draws.integer(below: 40) }
      let bins = labels(sizes)
      let method = try PartitionerCatalog.partitioner("natural", alpha: 1)
      let minimum = draws.integer(below: 30)
      let free = try method.clientCount(asked: nil, binSizes: sizes, minimum: minimum)
      let problem = PartitionProblem(
        recordCount: bins.binOf.count, clients: free, bins: bins, minimum: minimum, seed: Seed(1))
      let counts = CountMatrix(
        clients: free, bins: bins.count, clientOf: method.divide(problem).clientOf,
        binOf: bins.binOf)
      for bin in sizes.indices { #expect((0..<free).filter { counts[$0, bin] > 0 }.count == 1) }
      if free > 1 { #expect(counts.clientTotals.allSatisfy { $0 >= minimum }) }
      if sizes.allSatisfy({ $0 >= minimum }) { #expect(counts.clientTotals == sizes) }
      let merged = try divide("natural", bins, clients: max(1, sizes.count / 2))
      #expect(merged.clientTotals.allSatisfy { $0 > 0 })
      // Longest processing time is within 4/3 of the best largest client.
      let bound = max(sizes.max() ?? 0, (sizes.reduce(0, +) + merged.clients - 1) / merged.clients)
      #expect((merged.clientTotals.max() ?? 0) <= bound + (sizes.max() ?? 0))
      #expect(throws: PartitionError.tooFewOwners(owners: sizes.count, clients: 99)) {
        try method.clientCount(asked: 99, binSizes: sizes, minimum: 0)
      }
    }
  }

  /// GroupedNaturalIdPartitioner's groups depend on which owner comes first in the file.
  @Test func groupedOwnersDoNotDependOnTheOrderOfTheRecords() throws {
    let sizes = [5, 3, 9, 1, 7, 2, 4]
    let bins = labels(sizes)
    let method = try PartitionerCatalog.partitioner("grouped:3", alpha: 1)
    #expect(try method.clientCount(asked: nil, binSizes: sizes, minimum: 0) == 3)
    let counts = try divide("grouped:3", bins, clients: 3)
    let turned = RecordBins(binning: bins.binnings[0], binOf: bins.binOf.reversed())
    #expect(try divide("grouped:3", turned, clients: 3) == counts)
    #expect((0..<3).map { counts.row($0).filter { $0 > 0 }.count } == [3, 3, 1])
  }

  /// Records whose two properties go together (correlation about 0.6).
  private func pair(_ count: Int, _ rules: (Int, Int)) -> RecordBins {
    var draws = Seed(5).stream("pair")
    var (first, second): ([Double], [Double]) = ([], [])
    for _ in 0..<count {
      let (x, y) = (draws.normal(), draws.normal())
      first.append(x)
      second.append(0.6 * x + 0.8 * y)
    }
    let one = Binning(axis: .length, rule: .quantile(rules.0), sorted: first.sorted())
    let two = Binning(axis: .quality, rule: .quantile(rules.1), sorted: second.sorted())
    return RecordBins(
      binnings: [one, two],
      binOf: zip(first, second).map { Int32(one.bin(of: $0) * two.count + two.bin(of: $1)) })
  }

  private func marginals(_ counts: CountMatrix, _ bins: RecordBins) -> [InformationIndices] {
    let width = bins.binnings[1].count
    var first = CountMatrix(clients: counts.clients, bins: bins.binnings[0].count)
    var second = CountMatrix(clients: counts.clients, bins: width)
    for client in 0..<counts.clients {
      for (bin, count) in counts.row(client).enumerated() {
        first[client, bin / width] += count
        second[client, bin % width] += count
      }
    }
    return [InformationIndices(first), InformationIndices(second)]
  }

  /// No peer holds one property: a split by one drags along what goes together with it.
  @Test func onlyOneOfTwoPropertiesIsSkewed() throws {
    for clients in [4, 10] {
      let length = pair(6000, (10, 20))
      let counts = try divide("only:length", length, clients: clients)
      let found = marginals(counts, length)
      #expect(found[0].normalised > 0.3 && found[0].pValue < 1e-9)
      #expect(found[1].normalised == 0 && found[1].pValue > 0.99)
      #expect((counts.clientTotals.max() ?? 0) - (counts.clientTotals.min() ?? 0) <= 1)
      let quality = pair(6000, (20, 10))
      let other = marginals(try divide("only:quality", quality, clients: clients), quality)
      #expect(other[1].normalised > 0.3 && other[1].pValue < 1e-9)
      #expect(other[0].normalised == 0 && other[0].pValue > 0.99)
      // The same skew without holding drags the quality along.
      let dragged = pair(6000, (10, 1))
      let plain = try divide("dirichlet-client", dragged, clients: clients)
      #expect(marginals(plain, dragged)[0].normalised > 0.3)
    }
  }

  /// FedArtML refuses two skews at a time.
  @Test func jointSkewsBothPropertiesAndNoSizes() throws {
    let bins = pair(6000, (5, 5))
    let counts = try divide("joint", bins, clients: 8)
    for marginal in marginals(counts, bins) {
      #expect(marginal.normalised > 0.1 && marginal.pValue < 1e-9)
    }
    #expect(counts.clientTotals == [Int](repeating: 750, count: 8))
    #expect(counts.binTotals == bins.sizes)
  }

  /// At 100 clients and alpha 0.1, drawing again until all have 10 records succeeds once in 150
  /// draws: flwr-datasets gives up after 11, NIID-Bench, FedLab and FedArtML never do.
  @Test func manySmallClientsGetTheirMinimumAtOnce() throws {
    let bins = labels([Int](repeating: 1200, count: 10))
    for seed in 1...5 {
      let problem = PartitionProblem(
        recordCount: 12000, clients: 100, bins: bins, minimum: 10, seed: Seed(UInt64(seed)))
      var clientOf = try PartitionerCatalog.partitioner("dirichlet", alpha: 0.1)
        .divide(problem).clientOf
      let before = CountMatrix(clients: 100, bins: 10, clientOf: clientOf, binOf: bins.binOf)
      let moves = try MinimumSize.repair(
        &clientOf, bins: bins, clients: 100, minimum: 10, seed: Seed(1))
      let after = CountMatrix(clients: 100, bins: 10, clientOf: clientOf, binOf: bins.binOf)
      #expect((after.clientTotals.min() ?? 0) >= 10)
      #expect(moves.reduce(0) { $0 + $1.records } < 300)
      let change = InformationIndices(before).normalised - InformationIndices(after).normalised
      #expect(abs(change) < 0.02)
    }
  }

  /// flower issue 4377: rows of zeros and NaN at a small alpha. FedArtML's distance of disjoint
  /// clients is 0.
  @Test func tinyAlphaAndDisjointClientsHaveNumbers() throws {
    for method in ["dirichlet", "dirichlet-client"] {
      let bins = labels([300, 200, 100])
      let problem = PartitionProblem(recordCount: 600, clients: 20, bins: bins, seed: Seed(1))
      let division = try PartitionerCatalog.partitioner(method, alpha: 1e-6).divide(problem)
      #expect((division.proportions ?? []).allSatisfy { $0.allSatisfy { $0.isFinite } })
    }
    #expect(WassersteinDistance.mean(values: [0, 0, 3, 3], clientOf: [0, 0, 1, 1], clients: 2) == 1.5)
  }

  @Test func likeGivesAnotherCorpusTheSharesOfAPlan() throws {
    let lines = Corpus.lines(2000)
    let input = try folder.write("in.jsonl", lines.joined(separator: "\n"))
    let other = try folder.write("other.jsonl", lines[..<700].joined(separator: "\n"))
    func make(_ method: String, _ input: String, clients: Int?, by: String?) throws -> Plan {
      let request = try PartitionRequest(
        clients: clients, method: method, alpha: 0.2, by: by, seed: Seed(3))
      let scan = RecordScan(paths: [input], choice: request.choice, spoolFolder: nil)
      try scan.read()
      return try Plan.make(request, table: scan.table, inputs: scan.inputs, tool: "test 1").plan
    }
    let model = try make("dirichlet", input, clients: 5, by: "length")
    try folder.write("plan.json", String(decoding: model.json(), as: UTF8.self))
    let path = folder.file("plan.json")
    let known = try PlanFile(path: path)
    #expect(known.counts == model.counts && known.proportions == model.proportions)
    #expect(known.by == "length" && known.method == "dirichlet" && known.seed == 3)
    let plan = try make("like:\(path)", other, clients: nil, by: nil)
    #expect(plan.request.clients == 5 && plan.bins.count == model.bins.count)
    for bin in 0..<plan.bins.count {
      for client in 0..<5 {
        let share = Double(model.counts[client, bin]) / Double(model.counts.binTotals[bin])
        let quota = share * Double(plan.counts.binTotals[bin])
        // One record of each client may be the repair of an empty one.
        #expect(abs(Double(plan.counts[client, bin]) - quota) <= 2)
      }
    }
    #expect(throws: PartitionError.self) { try make("like:\(path)", other, clients: 4, by: nil) }
    for text in ["{}", "[", #"{"type":"plan","v":2}"#, #"{"type":"plan","v":1,"method":"iid"}"#] {
      try folder.write("bad.json", text)
      #expect(throws: PartitionError.self) { try PlanFile(path: folder.file("bad.json")) }
    }
    #expect(throws: PartitionError.self) { try PlanFile(path: folder.file("none.json")) }
  }

  @Test func roundsDrawTheirClientsByThemselves() throws {
    let few = try Participation(rounds: 3, amount: "0.25")
    let many = try Participation(rounds: 50, amount: "0.25")
    let schedule = many.schedule(clients: 12, seed: Seed(1))
    #expect(few.schedule(clients: 12, seed: Seed(1)) == Array(schedule[..<3]))
    #expect(schedule.allSatisfy { $0.count == 3 && Set($0).count == 3 && $0 == $0.sorted() })
    #expect(Set(schedule.joined()) == Set(0..<12), "in 50 rounds everybody has a turn")
    #expect(schedule != many.schedule(clients: 12, seed: Seed(2)))
    #expect(try Participation(rounds: 2, amount: "99").schedule(clients: 4, seed: Seed(1)) == [[0, 1, 2, 3], [0, 1, 2, 3]])
    #expect(try Participation(rounds: 1, amount: "0.01").clientsPerRound(of: 10) == 1)
    let rare = try Participation(rounds: 40, amount: "1.0", availability: 0.3)
    let sizes = rare.schedule(clients: 20, seed: Seed(1)).map(\.count)
    #expect(sizes.allSatisfy { $0 >= 1 } && abs(Double(sizes.reduce(0, +)) / 800 - 0.3) < 0.06)
    for text in ["0", "-1", "1.5", "x", "0.0", "nan"] {
      #expect(throws: PartitionError.self) { try Participation(rounds: 1, amount: text) }
    }
    #expect(throws: PartitionError.self) { try Participation(rounds: 0, amount: nil) }
    #expect(throws: PartitionError.self) { try Participation(rounds: 1, amount: nil, availability: 0) }
  }
}
