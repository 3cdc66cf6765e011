// SPDX-License-Identifier: Apache-2.0

/// Several runs side by side: local and global loss against the imbalance of their splits.
enum ComparisonSection {
  static func write(_ runs: [Run], into parent: HTMLElement) {
    parent.newline()
    parent.add("h2", text: "Comparison")
    parent.newline()
    writeChart(runs, into: parent)
    runTable(runs).write(into: parent)
    TaskTables.comparison(runs).write(into: parent)
    seedTable(runs).write(into: parent)
  }

  private static func writeChart(_ runs: [Run], into parent: HTMLElement) {
    var groups: [String: [ScatterChart.Group]] = [:]
    for run in runs {
      guard let index = run.plan?.mainIndex, let njs = index.njs else { continue }
      let outcome = Outcome(run)
      var marks: [(style: SeriesStyle, name: String, y: Double)] = []
      if let base = outcome.base { marks.append((.base, "base", base.loss)) }
      if let own = outcome.own { marks.append((.own, "local", own.loss)) }
      if let global = outcome.global { marks.append((.global, "global", global.loss)) }
      if marks.isEmpty { continue }
      groups[index.axis, default: []].append(
        ScatterChart.Group(name: run.name, x: njs, marks: marks))
    }
    if groups.isEmpty {
      parent.missing("Runs with a plan and with evaluations are compared in a chart here.")
      return
    }
    parent.figure(
      "Held-out loss against the imbalance of the split along its axis; one column of marks a run. "
        + "Less is better.",
      legend: [
        LegendEntry(style: .base, text: "base"), LegendEntry(style: .own, text: "local, mean"),
        LegendEntry(style: .global, text: "global"),
      ]
    ) { plots in
      for axis in groups.keys.sorted() {
        ScatterChart(
          groups: groups[axis] ?? [], xLabel: "NJS along \(axis)",
          yLabel: "held-out loss, nats per target token"
        ).draw(in: plots)
      }
    }
  }

  private static func runTable(_ runs: [Run]) -> Table {
    var table = Table(
      "Held-out loss of each run, nats per target token. Drift: how far each round's aggregate lies from "
        + "the weighted mean of the clients' updates, relative to it; of many rounds the last.",
      [
        .text("Run"), .text("Split"), .number("Seed"), .number("Clients"), .text("Rule"),
        .text("Drift by round"), .text("Privacy"), .text("Axis"), .number("NJS"), .number("Base"), .number("Local, mean"), .number("Global"),
        .number("Global − local"), .text("Worst client"), .number("its global loss"),
        .source("Source"),
      ])
    for run in runs {
      let outcome = Outcome(run)
      let index = run.plan?.mainIndex
      func fixed(_ value: Double?) -> String {
        value.map { NumberText.fixed($0, 3) } ?? NumberText.none
      }
      let gain = outcome.global.flatMap { global in outcome.own.map { global.loss - $0.loss } }
      table.row([
        run.name, run.plan?.summary ?? NumberText.none, run.plan?.seed ?? NumberText.none,
        NumberText.count(run.clients.count), rules(outcome), drift(outcome),
        outcome.guarantee ?? NumberText.none, index?.axis ?? NumberText.none, fixed(index?.njs),
        fixed(outcome.base?.loss), fixed(outcome.own?.loss), fixed(outcome.global?.loss),
        gain.map { NumberText.signed($0, 3) } ?? NumberText.none,
        outcome.worst?.client.label ?? NumberText.none, fixed(outcome.worst?.global?.loss),
        run.plan.map { "\(run.name)/\($0.source)" } ?? run.name,
      ])
    }
    return table
  }

  private static func rules(_ outcome: Outcome) -> String {
    let rules = Set(outcome.aggregations.compactMap(\.rule)).sorted()
    return rules.isEmpty ? NumberText.none : rules.joined(separator: ", ")
  }

  private static func drift(_ outcome: Outcome) -> String {
    let known = outcome.aggregations.filter { $0.drift != nil }
    let shown = known.count <= 6 ? known[...] : known.suffix(1)
    if shown.isEmpty { return NumberText.none }
    return shown.map { NumberText.significant($0.drift ?? 0, 3) }.joined(separator: ", ")
  }

  // MARK: Seeds

  /// Runs that differ in their seed only, as a mean with its 95 % confidence interval.
  private static func seedTable(_ runs: [Run]) -> Table {
    var table = Table(
      "Means over runs of the same split with different seeds, with 95 % confidence intervals "
        + "(Student's t).",
      [
        .text("Split"), .number("Runs"), .number("NJS"), .number("Local, mean"), .number("Global"),
        .number("Global − local"), .source("Source"),
      ])
    var splits: [String] = []
    for run in runs {
      if let split = key(run), !splits.contains(split) { splits.append(split) }
    }
    for split in splits {
      let same = runs.filter { key($0) == split }
      if same.count < 2 || Set(same.compactMap { $0.plan?.seed }).count < same.count { continue }
      let outcomes = same.map { Outcome($0) }
      func interval(_ values: [Double?]) -> String {
        let known = values.compactMap { $0 }
        return known.count == values.count ? ConfidenceInterval(known).text : NumberText.none
      }
      table.row([
        same[0].plan?.summary ?? "", NumberText.count(same.count),
        interval(same.map { $0.plan?.mainIndex?.njs }), interval(outcomes.map { $0.own?.loss }),
        interval(outcomes.map { $0.global?.loss }),
        interval(
          outcomes.map { outcome in
            outcome.global.flatMap { global in outcome.own.map { global.loss - $0.loss } }
          }), same.map(\.name).joined(separator: ", "),
      ])
    }
    return table
  }

  private static func key(_ run: Run) -> String? {
    guard let plan = run.plan else { return nil }
    let parameters = plan.parameters.map { "\($0.name)=\($0.value)" }.joined(separator: "\n")
    return "\(plan.by ?? "")\n\(plan.method ?? "")\n\(parameters)"
  }
}

/// The mean of a few values and the half width of its 95 % confidence interval.
package struct ConfidenceInterval {
  package let mean: Double
  /// nil for a single value.
  package let halfWidth: Double?

  package init(_ values: [Double]) {
    let count = Double(max(1, values.count))
    let mean = values.reduce(0, +) / count
    self.mean = mean
    if values.count < 2 {
      halfWidth = nil
      return
    }
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
    halfWidth = Self.quantile(degreesOfFreedom: values.count - 1) * (variance / count).squareRoot()
  }

  var text: String {
    let middle = NumberText.fixed(mean, 3)
    return halfWidth.map { "\(middle) ± \(NumberText.fixed($0, 3))" } ?? middle
  }

  /// The 0.975 quantile of Student's t.
  static func quantile(degreesOfFreedom: Int) -> Double {
    let table = [
      12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
      2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
      2.052, 2.048, 2.045, 2.042,
    ]
    if degreesOfFreedom <= table.count { return table[max(1, degreesOfFreedom) - 1] }
    // Cornish–Fisher expansion (Abramowitz and Stegun, 26.7.5).
    let z = 1.959_964
    let n = Double(degreesOfFreedom)
    return z + (z * z * z + z) / (4 * n)
      + (5 * z * z * z * z * z + 16 * z * z * z + 3 * z) / (96 * n * n)
  }
}
