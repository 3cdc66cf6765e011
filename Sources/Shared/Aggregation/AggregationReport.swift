// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// Diagnostics of one aggregation (Documentation/formats/aggregate.md): one line of JSON.
package struct AggregationReport: Sendable {
  /// One module's update: its norm ‖M‖ and the drift ‖M − B̄Ā‖ / ‖M‖, Frobenius.
  package struct Module: Sendable {
    package let path: String
    package let norm: Double
    /// nil where ‖M‖ is zero and the result is not.
    package let drift: Double?
    package let rank: Int
    /// ‖X − B·A‖ of the update that the rule cut to this rank; nil where it cuts none.
    package let truncation: Double?
    /// Of the result, falling.
    package let singularValues: [Double]
    let clients: ClientGeometry

    /// exp of the entropy of the singular values' shares (Roy and Vetterli 2007): how many ranks are in
    /// use; 0 of a result that is zero.
    package var effectiveRank: Double { AdapterDescription.effectiveRank(singularValues) }
  }

  package let modules: [Module]
  /// Over all modules together.
  package let drift: Double?
  /// Of whole updates; nil where nobody may see single clients.
  let clients: ClientGeometry?
  let outcome: AggregationJob.Outcome
  let job: AggregationJob
  /// Pairs of more clients are not written out.
  static let mostPairs = 64

  /// Measures each module. Costs K²(in + out) a module, K the sum of the clients' ranks.
  package init(_ outcome: AggregationJob.Outcome, of job: AggregationJob) {
    self.outcome = outcome
    self.job = job
    let loop = ParallelFor(threads: job.threads)
    let (adapter, round) = (outcome.adapter, outcome.round)
    // Under masks nobody sees a single client's adapter.
    let count = outcome.secure == nil ? adapter.modules.count : 0
    let isMean =
      job.rule.traits.contains(.meanOfFactors) && outcome.serverState == nil
      && outcome.guarantee == nil
    let found = loop.map(count) {
      ModuleGeometry(round, module: $0, result: adapter, isMean: isMean)
    }
    var total = (exact: 0.0, residual: 0.0)
    var gram = RowMatrix(rows: round.clients.count, columns: round.clients.count)
    modules = found.enumerated().map { index, geometry in
      let module = adapter.modules[index]
      total = (total.exact + geometry.exact, total.residual + geometry.residual)
      for place in gram.values.indices { gram.values[place] += geometry.gram.values[place] }
      return Module(
        path: module.path, norm: geometry.exact.squareRoot(),
        drift: Self.ratio(geometry.residual, geometry.exact), rank: module.rank,
        truncation: outcome.result.truncation?[index], singularValues: geometry.singularValues,
        clients: ClientGeometry(geometry.gram, weights: round.weights))
    }
    drift = count > 0 ? Self.ratio(total.residual, total.exact) : nil
    clients = count > 0 ? ClientGeometry(gram, weights: round.weights) : nil
  }

  private static func ratio(_ residual: Double, _ exact: Double) -> Double? {
    if exact > 0 { return (residual / exact).squareRoot() }
    return residual > 0 ? nil : 0
  }
}
