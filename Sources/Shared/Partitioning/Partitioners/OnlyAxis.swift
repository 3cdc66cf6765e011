// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// One property uneven, another one matched: all clients have the same mixture of the held property
/// and equally many records.
///
/// `only:length` holds quality, `only:quality` holds length; `--by joint:A,B` names any two. The held
/// property is cut into fine strata (``strata`` quantile bins). Each client's mixture of the skewed
/// property's bins is drawn as by ``DirichletClient``; within each stratum the clients' counts are
/// fitted to that mixture, to equal shares of the stratum, and to the records that there are. Where
/// the two properties go together in the corpus the fit is what the corpus allows: a client cannot
/// have more long bad texts than exist. No peer has it; FedArtML refuses to combine two skews.
package struct OnlyAxis: Partitioner {
  package static let name = "only"
  package static let summary = "only:length or only:quality skews it and holds the other one"
  package static let need = PropertyNeed.pair
  /// Bins of the held property: twice as many as imbalance is measured with.
  static let strata = 20

  private let alpha: Double
  private let axis: Axis

  package init(alpha: Double, argument: String?) throws(PartitionError) {
    self.alpha = alpha
    guard let argument, let choice = try? PropertyChoice(parsing: argument), choice.axes.count == 1
    else {
      throw .invalidOption(
        "--method only", value: argument ?? "",
        expected: "only:length, only:sentences, only:quality, only:score or only:label:FIELD")
    }
    axis = choice.axes[0]
  }

  package func property(given: String?) throws(PartitionError) -> String? {
    guard let given else {
      let held: Axis = axis == .quality || axis == .score ? .length : .quality
      return "joint:\(axis.name),\(held.name)"
    }
    let choice = try PropertyChoice(parsing: given)
    guard choice.axes.count == 2, choice.axes.contains(axis) else {
      throw .unsuitableProperty(
        method: "--method only:\(axis.name)", property: given,
        expected: "no --by, or --by joint:\(axis.name),HELD")
    }
    return given
  }

  package func binning(given: BinningRule?, axes: Int) -> BinningRule {
    given ?? .quantile(Imbalance.binCount)
  }

  package func rule(for axis: Axis, _ binning: BinningRule) -> BinningRule {
    axis == self.axis ? binning : .quantile(Self.strata)
  }

  package func divide(_ problem: PartitionProblem) -> Division {
    guard let cells = JointCells(problem.bins, skewed: axis) else {
      return Division(clientOf: problem.cut(problem.shuffledRecords(), sizes: problem.equalSizes))
    }
    let binSizes = problem.bins.sizes
    let logMixtures = cells.clientMixtures(
      problem, sizes: binSizes, alpha: alpha, purpose: Self.name)
    // How many records of each stratum each client gets: equal shares, whole numbers.
    let strataSizes = cells.heldTotals(binSizes)
    let clientSizes = problem.equalSizes
    let total = Double(max(1, problem.recordCount))
    let quotas = ProportionalFitting.round(
      clientSizes.map { size in strataSizes.map { Double(size) * Double($0) / total } },
      rows: clientSizes, columns: strataSizes)
    var counts = CountMatrix(clients: problem.clients, bins: problem.bins.count)
    for held in strataSizes.indices where strataSizes[held] > 0 {
      let used = (0..<cells.skewedCount).filter { binSizes[cells.bin(skewed: $0, held: held)] > 0 }
      let fitted = ProportionalFitting.counts(
        logWeights: logMixtures.map { row in JointCells.normalised(used.map { row[$0] }) },
        rows: quotas.map { $0[held] },
        columns: used.map { binSizes[cells.bin(skewed: $0, held: held)] })
      for client in 0..<problem.clients {
        for (column, skewed) in used.enumerated() {
          counts[client, cells.bin(skewed: skewed, held: held)] = fitted[client][column]
        }
      }
    }
    return Division(clientOf: problem.deal(counts))
  }
}

/// Joint bins seen as a skewed property and a held one.
struct JointCells {
  let skewedCount: Int
  let heldCount: Int
  private let skewedIsFirst: Bool

  /// Nil unless there are two properties and one is `skewed`.
  init?(_ bins: RecordBins, skewed: Axis) {
    guard bins.binnings.count == 2,
      let index = bins.binnings.firstIndex(where: { $0.axis == skewed })
    else { return nil }
    skewedIsFirst = index == 0
    skewedCount = bins.binnings[index].count
    heldCount = bins.binnings[1 - index].count
  }

  func bin(skewed: Int, held: Int) -> Int {
    skewedIsFirst ? skewed * heldCount + held : held * skewedCount + skewed
  }

  func skewedTotals(_ sizes: [Int]) -> [Int] {
    (0..<skewedCount).map { skewed in
      (0..<heldCount).reduce(0) { $0 + sizes[bin(skewed: skewed, held: $1)] }
    }
  }

  func heldTotals(_ sizes: [Int]) -> [Int] {
    (0..<heldCount).map { held in
      (0..<skewedCount).reduce(0) { $0 + sizes[bin(skewed: $1, held: held)] }
    }
  }

  /// A row a client: logarithms of its shares of the skewed property's bins, up to a constant, drawn
  /// around the global mixture; -infinity never occurs, bins without records have the lowest shape.
  func clientMixtures(
    _ problem: PartitionProblem, sizes: [Int], alpha: Double, purpose: String
  ) -> [[Double]] {
    let total = Double(max(1, problem.recordCount))
    let shapes = skewedTotals(sizes).map { alpha * max(Double($0), 0.5) / total }
    return (0..<problem.clients).map { client in
      var draws = problem.stream(purpose, "client-\(client)")
      return Self.normalised(shapes.map { draws.logGamma(shape: $0) })
    }
  }

  /// The largest becomes 0.
  static func normalised(_ logs: [Double]) -> [Double] {
    let largest = logs.max() ?? 0
    return logs.map { $0 - largest }
  }
}
