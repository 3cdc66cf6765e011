// SPDX-License-Identifier: Apache-2.0

/// What the run cost: bytes between clients and server, tokens, time, memory.
enum CostSection: ReportSection {
  static let anchor: StaticString = "cost"
  static let title = "Cost"

  static func applies(to run: Run) -> Bool { run.isFolder || !run.trainings.isEmpty }

  static func write(_ run: Run, into parent: HTMLElement) {
    guard !run.trainings.isEmpty else {
      parent.missing(
        "No training events: the files that cl-train --log writes hold time and tokens.")
      return
    }
    writeChart(run, into: parent)
    table(run).write(into: parent)
    var facts: [(term: String, value: String)] = []
    let ends = run.trainings.compactMap(\.end)
    if let peak = ends.compactMap(\.peakMemoryBytes).max() {
      facts.append(("Peak memory of a training", NumberText.bytes(peak)))
    }
    if !ends.isEmpty && ends.allSatisfy({ $0.floatingPointOperations != nil }) {
      let all = ends.reduce(0) { $0 + ($1.floatingPointOperations ?? 0) }
      facts.append(("Operations of all trainings", "\(NumberText.significant(all, 3)) FLOP"))
    }
    let moved = run.aggregations.map { up($0) + down($0) }.total
    if moved > 0 { facts.append(("Bytes moved in all", NumberText.bytes(moved))) }
    if !facts.isEmpty { parent.facts(facts) }
  }

  /// Bytes that the clients send, and that they get back: the aggregate goes to each of them.
  private static func up(_ part: Aggregation) -> Int { part.bytesIn ?? 0 }
  private static func down(_ part: Aggregation) -> Int {
    let (bytes, overflow) = (part.bytesOut ?? 0).multipliedReportingOverflow(by: part.clients.count)
    return overflow ? .max : bytes
  }

  private static func writeChart(_ run: Run, into parent: HTMLElement) {
    let federated = run.trainings.filter { $0.arm != "pooled" && $0.arm != "local" }
    var rows: [BarChart.Row] = []
    var speeds: [BarChart.Row] = []
    for client in run.clients.prefix(PlanSection.drawnClients) {
      let parts = federated.filter { $0.client == client }
      if parts.isEmpty { continue }
      let tokens = parts.map(\.tokens).total
      rows.append(
        BarChart.Row(
          label: client.label, value: Double(tokens), text: NumberText.count(tokens)))
      let seconds = parts.reduce(0) { $0 + ($1.seconds ?? 0) }
      if seconds > 0 {
        speeds.append(
          BarChart.Row(
            label: client.label, value: seconds, text: NumberText.seconds(seconds)))
      }
    }
    if rows.isEmpty { return }
    parent.figure("Tokens that each client trained on, and its time, all rounds together.") {
      BarChart(rows: rows, xLabel: "tokens").draw(in: $0)
      if !speeds.isEmpty { BarChart(rows: speeds, xLabel: "seconds").draw(in: $0) }
    }
  }

  private static func table(_ run: Run) -> Table {
    var table = Table(
      "Per arm and round, all clients together. Sent: adapters from the clients to the server. "
        + "Received: the aggregate, once for each client. Longest: the slowest client, which sets "
        + "the time of a round when all train at once.",
      [
        .text("Arm"), .number("Round"), .number("Trainings"), .number("Tokens"),
        .number("Target tokens"), .number("Time, sum"), .number("Longest"),
        .number("Peak memory"), .number("Sent"), .number("Received"), .source("Source"),
      ])
    let arms = Set(run.trainings.map { $0.arm ?? "" }).sorted()
    for arm in arms {
      let parts = run.trainings.filter { ($0.arm ?? "") == arm }
      if arm == "local" && !parts.contains(where: { $0.round == 1 }) {
        // Until the first aggregation both arms do the same: it is trained once.
        table.row(
          ["local", "1"] + Array(repeating: NumberText.none, count: 8)
            + ["the same as federated, round 1"])
      }
      for round in Set(parts.map { $0.round ?? 0 }).sorted() {
        let trainings = parts.filter { ($0.round ?? 0) == round }
        let aggregation = run.aggregations.filter {
          ($0.arm ?? "") == arm && ($0.round ?? 0) == round
        }
        let seconds = trainings.compactMap(\.seconds)
        let peak = trainings.compactMap { $0.end?.peakMemoryBytes }.max()
        table.row([
          arm.isEmpty ? NumberText.none : arm, round == 0 ? NumberText.none : "\(round)",
          NumberText.count(trainings.count), NumberText.count(trainings.map(\.tokens).total),
          NumberText.count(trainings.map(\.targetTokens).total),
          seconds.isEmpty ? NumberText.none : NumberText.seconds(seconds.reduce(0, +)),
          seconds.max().map(NumberText.seconds) ?? NumberText.none,
          peak.map(NumberText.bytes) ?? NumberText.none,
          aggregation.isEmpty ? NumberText.none : NumberText.bytes(aggregation.map(up).total),
          aggregation.isEmpty ? NumberText.none : NumberText.bytes(aggregation.map(down).total),
          source(trainings),
        ])
      }
    }
    return table
  }

  private static func source(_ trainings: [Training]) -> String {
    NumberText.paths(trainings.map(\.source))
  }
}
