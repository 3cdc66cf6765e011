// SPDX-License-Identifier: Apache-2.0

/// A plan in a few words, for people.
package enum PlanSummary {
  /// One line: how many records went to how many clients, and how uneven each axis is.
  package static func text(_ plan: Plan) -> String {
    let sizes = plan.amounts.records.map { Int($0) }
    var text = "\(plan.recordCount) records to \(plan.request.clients) clients of "
    text += "\(sizes.min() ?? 0) to \(sizes.max() ?? 0)"
    let moved = plan.moves.reduce(0) { $0 + $1.records }
    if moved > 0 { text += ", \(moved) moved for the minimum" }
    for axis in plan.imbalance.axes {
      text += "; \(axis.axis.name) NJS \(decimals(axis.indices.normalised))"
      if let distance = axis.distance {
        text += " W1 \(decimals(distance)) \(axis.axis.isCount ? "octaves" : "points")"
      }
    }
    return text
  }

  /// Three decimals, rounded.
  private static func decimals(_ value: Double) -> String {
    let thousandths = Int((min(max(value, -1e12), 1e12) * 1000).rounded())
    let digits = "\(abs(thousandths) % 1000)"
    let sign = thousandths < 0 ? "-" : ""
    return "\(sign)\(abs(thousandths) / 1000)." + String(repeating: "0", count: 3 - digits.count)
      + digits
  }
}
