// SPDX-License-Identifier: Apache-2.0
package import Adapters

// Aggregation: many adapters of one base model into one. Works on adapters alone; the base model
// is never read.
//
// Notation: client i has weight w_i (Σ w_i = 1), factors B_i [out, rank] and A_i [rank, in], and
// scale s_i = α_i / r_i (rsLoRA: α_i / √r_i), so that ΔW_i = s_i B_i A_i. The exact average of the
// updates is M = Σ w_i ΔW_i.

/// Adapters that were accepted, in their fixed order, with their weights.
package struct AggregationRound: Sendable {
  /// Same modules and sizes in each; same ranks where the rule asked for it. Not empty.
  package let clients: [Contribution]
  /// Not negative, sum 1 up to rounding.
  package let weights: [Double]

  package init(clients: [Contribution], weights: [Double]) {
    precondition(!clients.isEmpty && clients.count == weights.count)
    self.clients = clients
    self.weights = weights
  }
}

/// One way to make one adapter of many.
///
/// Laws, checked for every entry of ``RuleCatalog``:
/// 1. Equal adapters are a fixed point: ΔW of the result is ΔW of each.
/// 2. Order: the clients' order in the arguments changes no byte.
/// 3. Weights are free of scale: multiplying all changes no byte beyond rounding.
/// 4. One client alone, or one with all the weight, gives its own ΔW.
package protocol AggregationRule: Sendable {
  /// The aggregated adapter, without provenance. All sums are float64 in the order of the clients.
  func aggregate(_ round: AggregationRound) throws(AggregationError) -> Adapter

  /// For each module, in order: M − B̄Ā as a sum of products, for the drift in the report.
  func residual(
    _ round: AggregationRound, module: Int, result: Adapter
  ) throws(AggregationError) -> ProductSum
}
