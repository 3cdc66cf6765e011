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

  /// The clients as a picture.
  package static func picture(_ plan: Plan, _ picture: Picture) -> [String] {
    picture.lines(
      names: (0..<plan.request.clients).map(plan.clientID), records: plan.amounts.records,
      axes: plan.imbalance.axes)
  }

  /// A row an axis, with the indices.
  static func table(_ imbalance: Imbalance) -> [String] {
    let picture = Picture(usesBlocks: false)
    func row(_ cells: [String]) -> String {
      picture.pad(cells[0], 20)
        + cells.dropFirst().map { picture.pad($0, 11, right: true) }.joined()
    }
    var lines = [row(["axis", "NJS", "Hellinger", "W1", "p (IID)"])]
    for axis in imbalance.axes {
      let distance = axis.distance.map {
        decimals($0) + (axis.axis.isCount ? " oct" : " pts")
      }
      lines.append(
        row([
          axis.axis.name, decimals(axis.indices.normalised), decimals(axis.indices.hellinger),
          distance ?? "-", decimals(axis.indices.pValue),
        ]))
    }
    for pair in imbalance.joint {
      lines.append(
        row([
          pair.axes.map(\.name).joined(separator: " x "), decimals(pair.indices.normalised),
          decimals(pair.indices.hellinger), "-", decimals(pair.indices.pValue),
        ]))
    }
    lines.append(row(["amount", "Gini", "effective", "", ""]))
    for quantity in imbalance.quantities {
      lines.append(
        row([
          quantity.name, decimals(quantity.indices.gini),
          decimals(quantity.indices.effectiveClients), "", "",
        ]))
    }
    return lines.map { line in String(line.reversed().drop { $0 == " " }.reversed()) }
  }

  /// Three decimals, rounded.
  static func decimals(_ value: Double) -> String {
    let thousandths = Int((min(max(value, -1e12), 1e12) * 1000).rounded())
    let digits = "\(abs(thousandths) % 1000)"
    let sign = thousandths < 0 ? "-" : ""
    return "\(sign)\(abs(thousandths) / 1000)." + String(repeating: "0", count: 3 - digits.count)
      + digits
  }
}
