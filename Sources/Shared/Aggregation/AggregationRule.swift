// SPDX-License-Identifier: Apache-2.0
package import Adapters
package import Compute

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
  /// The adapter that the clients started from, with the same modules and sizes; nil if not given.
  package let parent: AdapterFile?

  package init(clients: [Contribution], weights: [Double], parent: AdapterFile? = nil) {
    precondition(!clients.isEmpty && clients.count == weights.count)
    self.clients = clients
    self.weights = weights
    self.parent = parent
  }

  /// The modules of the first client; paths and sizes are those of all.
  var modules: [AdapterFile.Module] { clients[0].file.modules }
}

/// What a rule makes of a round.
package struct RuleResult: Sendable {
  /// Without provenance.
  package var adapter: Adapter
  /// What `adapter` leaves out of M, as an adapter of its own (`fedex`).
  package var residual: Adapter?
  /// c_i, where the result stands for Σ c_i ΔW_i and the rule chose the c_i.
  package var coefficients: [Double]?
  /// For each module ‖X − B·A‖ of the update X that was cut to the result's rank.
  package var truncation: [Double]?

  package init(
    _ adapter: Adapter, residual: Adapter? = nil, coefficients: [Double]? = nil,
    truncation: [Double]? = nil
  ) {
    self.adapter = adapter
    self.residual = residual
    self.coefficients = coefficients
    self.truncation = truncation
  }
}

/// One way to make one adapter of many.
///
/// Laws, checked for every entry of ``RuleCatalog``:
/// 1. Equal adapters are a fixed point: ΔW of the result is ΔW of each.
/// 2. Order: the clients' order in the arguments changes no byte; nor does the number of threads.
/// 3. Weights are free of scale: multiplying all changes no byte beyond rounding.
/// 4. One client alone, or one with all the weight, gives its own ΔW (rules that use weights).
package protocol AggregationRule: Sendable {
  /// All sums are float64 in the order of the clients; `loop` only spreads independent parts.
  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult
}
