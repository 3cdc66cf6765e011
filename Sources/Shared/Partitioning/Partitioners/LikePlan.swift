// SPDX-License-Identifier: Apache-2.0

/// Does to this corpus what an older plan did to its own: each client gets the same share of each bin.
///
/// `like:PLAN` takes the number of clients, the property and the rule for bins from the plan's file.
/// `quantile` bins are those of this corpus; where there are fewer or more of them than in the plan
/// (equal values are never split) a bin is compared with the one at the same place of the order. A
/// label that the plan does not know is shared out as all records were. Source: the idea is
/// NIID-Bench's (arXiv 2102.02079), which copies the measured proportions of FEMNIST.
package struct LikePlan: Partitioner {
  package static let name = "like"
  package static let summary = "like:PLAN gives clients the shares of bins that they have in a plan"
  package static let need = PropertyNeed.anything

  let plan: PlanFile

  package init(alpha: Double, argument: String?) throws(PartitionError) {
    guard let argument, !argument.isEmpty else {
      throw .invalidOption(
        "--method like", value: argument ?? "", expected: "like: and the path of a plan.json")
    }
    plan = try PlanFile(path: argument)
  }

  package func property(given: String?) throws(PartitionError) -> String? { given ?? plan.by }

  package func binning(given: BinningRule?, axes: Int) -> BinningRule { given ?? plan.binning }

  package func clientCount(
    asked: Int?, binSizes: [Int], minimum: Int
  ) throws(PartitionError) -> Int {
    if let asked, asked != plan.counts.clients {
      throw .invalidOption(
        "--clients", value: "\(asked)", expected: "\(plan.counts.clients) as in the plan")
    }
    return plan.counts.clients
  }

  package func divide(_ problem: PartitionProblem) -> Division {
    let sizes = problem.bins.sizes
    let everything = plan.counts.clientTotals.map(Double.init)
    var counts = CountMatrix(clients: problem.clients, bins: problem.bins.count)
    var proportions: [[Double]] = []
    for bin in sizes.indices {
      var shares = everything
      if let known = planBin(of: bin, problem.bins) {
        let row = (0..<plan.counts.clients).map { Double(plan.counts[$0, known]) }
        if row.contains(where: { $0 > 0 }) { shares = row }
      }
      shares = Array(shares.prefix(problem.clients))
      shares += [Double](repeating: 0, count: problem.clients - shares.count)
      for (client, part) in Apportionment.parts(of: sizes[bin], shares: shares).enumerated() {
        counts[client, bin] = part
      }
      let sum = shares.reduce(0, +)
      proportions.append(
        shares.map { sum > 0 ? $0 / sum : 1 / Double(problem.clients) })
    }
    return Division(clientOf: problem.deal(counts), proportions: proportions)
  }

  /// The plan's bin that corresponds to one of these; nil for a label that it lacks.
  private func planBin(of bin: Int, _ bins: RecordBins) -> Int? {
    if bins.binnings.isEmpty { return plan.axes.isEmpty ? 0 : nil }
    guard bins.binnings.count == plan.axes.count else { return nil }
    var parts: [Int] = []
    var rest = bin
    for (binning, known) in zip(bins.binnings, plan.axes).reversed() {
      guard binning.axis == known.axis, let part = known.place(of: rest % binning.count, of: binning)
      else { return nil }
      parts.append(part)
      rest /= binning.count
    }
    return zip(parts.reversed(), plan.axes).reduce(0) { $0 * $1.1.count + $1.0 }
  }
}

extension Binning {
  /// Which of these bins corresponds to `bin` of `other`: the same value, or the same place.
  fileprivate func place(of bin: Int, of other: Binning) -> Int? {
    switch (cuts, other.cuts) {
    case (.categories(let names), .categories(let others)):
      return names.firstIndex(of: others[bin])
    case (.edges, .edges):
      if count == other.count { return bin }
      return min(count - 1, (2 * bin + 1) * count / (2 * other.count))
    default: return nil
    }
  }
}
