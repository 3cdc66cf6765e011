// SPDX-License-Identifier: Apache-2.0
import Partitioning
import Randomness
import TestSupport
import Testing

/// Defects of other programs that divide data sets, each of which would be found here.
@Suite struct KnownDefectTests {
  private func bins(_ sizes: [Int]) -> RecordBins {
    RecordBins(
      binning: Binning(
        axis: .label(field: "k"), cuts: .categories(sizes.indices.map { "label-\($0)" })),
      binOf: sizes.enumerated().flatMap { [Int32](repeating: Int32($0), count: $1) })
  }

  private func divide(
    _ method: String, _ bins: RecordBins, clients: Int, alpha: Double = 0.3,
    values: [Double]? = nil, seed: UInt64 = 1
  ) throws -> [Int32] {
    try PartitionerCatalog.partitioner(method, alpha: alpha).divide(
      PartitionProblem(
        recordCount: bins.binOf.count, clients: clients, bins: bins,
        values: values.map { RankedValues($0) }, seed: Seed(seed))
    ).clientOf
  }

  /// flwr-datasets rounds cumulative shares down, so that the last client gets what is left of every
  /// class: with one record in each class it would have them all.
  @Test func theLastClientIsNotFavoured() throws {
    let sizes = [Int](repeating: 1, count: 400)
    var last = 0
    for seed in 1...10 {
      let clientOf = try divide("dirichlet", bins(sizes), clients: 4, alpha: 50, seed: UInt64(seed))
      last += clientOf.filter { $0 == 3 }.count
    }
    // 1,000 of 4,000 expected; five standard deviations are 137.
    #expect(abs(last - 1000) < 140, "\(last)")
  }

  /// flwr-datasets gives up after 11 draws and FedLab and NIID-Bench loop for ever where small clients
  /// are likely: 100 clients at alpha .05 with 10 records each never come out of a draw.
  @Test func manyClientsAtSmallAlphaNeedNoLuck() throws {
    let bins = bins([Int](repeating: 1200, count: 10))
    var clientOf = try divide("dirichlet", bins, clients: 100, alpha: 0.05)
    let counts = CountMatrix(clients: 100, bins: 10, clientOf: clientOf, binOf: bins.binOf)
    #expect(counts.clientTotals.contains { $0 < 10 })
    _ = try MinimumSize.repair(&clientOf, bins: bins, clients: 100, minimum: 10, seed: Seed(1))
    let repaired = CountMatrix(clients: 100, bins: 10, clientOf: clientOf, binOf: bins.binOf)
    #expect(repaired.clientTotals.allSatisfy { $0 >= 10 } && repaired.total == 12_000)
  }

  /// flwr-datasets' InnerDirichletPartitioner takes labels for 0..<C and ends in NaN where a row runs
  /// out (flower 4377): any strings do here, and no client's mixture is ever 0 / 0.
  @Test func aUsedUpLabelLeavesNoNaN() throws {
    for seed in 1...10 {
      let bins = bins([1, 2, 900, 3, 0, 500])
      let problem = PartitionProblem(
        recordCount: bins.binOf.count, clients: 20, bins: bins, seed: Seed(UInt64(seed)))
      let division = try PartitionerCatalog.partitioner("dirichlet-client", alpha: 0.001)
        .divide(problem)
      #expect(try #require(division.proportions).joined().allSatisfy { $0.isFinite })
      let counts = CountMatrix(
        clients: 20, bins: bins.count, clientOf: division.clientOf, binOf: bins.binOf)
      #expect(counts.binTotals == [1, 2, 900, 3, 0, 500])
    }
  }

  /// FedLab's shards_partition drops what does not fit equal shards.
  @Test func shardsKeepTheRemainder() throws {
    let values = (0..<1003).map(Double.init)
    let clientOf = try divide(
      "shards:3", RecordBins(recordCount: 1003), clients: 7, values: values)
    let sizes = (0..<7).map { client in clientOf.filter { $0 == client }.count }
    #expect(sizes.reduce(0, +) == 1003 && sizes.allSatisfy { abs($0 - 143) <= 3 })
  }

  /// flwr-datasets' ContinuousPartitioner mixes z-scores, which one outlier changes for all records.
  @Test func oneOutlierChangesNothing() throws {
    let values = Corpus.lengths(400)
    var outlier = values
    let largest = try #require(values.indices.max { values[$0] < values[$1] })
    outlier[largest] = 1e12
    let bins = RecordBins(recordCount: 400)
    let plain = try divide("rank:0.6", bins, clients: 5, values: values)
    #expect(plain == (try divide("rank:0.6", bins, clients: 5, values: outlier)))
    // Nor does any other change of scale that keeps the order.
    #expect(plain == (try divide("rank:0.6", bins, clients: 5, values: values.map { $0 * $0 })))
  }

  /// FederatedScope split into train and test before it divided (issues 724 and 153), so that a client was
  /// tested on other data than it trained on: here every client's parts are cut out of its own records.
  @Test func everyClientHasItsOwnTest() throws {
    let clientOf = try divide("dirichlet", bins([400, 300, 300]), clients: 6)
    let rule = try SplitRule(parsing: "train=.8,test=.2")
    let partOf = rule.assign(clientOf: clientOf, clients: 6, seed: Seed(1))
    for client in 0..<6 {
      let own = clientOf.indices.filter { clientOf[$0] == client }
      let tested = own.filter { partOf[$0] == 1 }.count
      #expect(abs(Double(tested) - 0.2 * Double(own.count)) < 1)
    }
  }

  /// FedArtML's distance takes probabilities for values: 0 for two clients without a label in common.
  @Test func clientsWithNothingInCommonAreFarApart() {
    let values = (0..<400).map { Double($0 / 100) }
    let clientOf = (0..<400).map { Int32($0 / 100) }
    let distance = WassersteinDistance.mean(values: values, clientOf: clientOf, clients: 4)
    // By hand: (|0 - x| for x = 0, 1, 2, 3 on average: 1.5) for the outer two, 1 for the inner ones.
    #expect(abs(distance - 1.25) < 1e-12)
  }

  /// Balance masks (`size < N / K`) make late classes follow the order of the classes; here the
  /// shares of a bin are drawn by its name.
  @Test func theOrderOfLabelsDoesNotMatter() throws {
    let names = ["a", "b", "c"]
    func shares(_ order: [String]) throws -> [String: [Double]] {
      let bins = RecordBins(
        binning: Binning(axis: .label(field: "k"), cuts: .categories(order)),
        binOf: (0..<300).map { Int32($0 % 3) })
      let division = try PartitionerCatalog.partitioner("dirichlet", alpha: 0.3).divide(
        PartitionProblem(recordCount: 300, clients: 5, bins: bins, seed: Seed(3)))
      return Dictionary(uniqueKeysWithValues: zip(order, try #require(division.proportions)))
    }
    #expect(try shares(names) == shares(names.reversed()))
  }
}
