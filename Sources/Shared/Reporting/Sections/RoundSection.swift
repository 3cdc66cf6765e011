// SPDX-License-Identifier: Apache-2.0

/// Local against global loss: by round on all held-out records, and by client on its own.
enum RoundSection: ReportSection {
  static let anchor: StaticString = "rounds"
  static let title = "Local against global loss"

  static func write(_ run: Run, into parent: HTMLElement) {
    guard run.evaluations.contains(where: { $0.loss != nil || !$0.tasks.isEmpty }) else {
      parent.missing(
        "No evaluations: cl-score --model MODEL --adapter ADAPTER --summary "
          + "arm-federated/round-001/eval/global.heldout.json writes one.")
      return
    }
    let outcome = Outcome(run)
    writeByRound(outcome, into: parent)
    writeByClient(outcome, into: parent)
    TaskTables.evaluations(run) { (name($0.model), name($0.set)) }.write(into: parent)
    table(run).write(into: parent)
  }

  // MARK: By round

  private static func writeByRound(_ outcome: Outcome, into parent: HTMLElement) {
    let rounds = outcome.rounds
    guard !rounds.isEmpty else { return }
    var series: [LineChart.Series] = []
    var legend: [LegendEntry] = []
    func add(_ name: String, _ style: SeriesStyle, _ evaluations: [Evaluation]) {
      var points: [(x: Double, y: Double)] = []
      if let base = outcome.base, style != .base { points.append((0, base.loss)) }
      for round in Set(evaluations.compactMap(\.round)).sorted() {
        if let value = Outcome.Pooled(evaluations.filter { $0.round == round }) {
          points.append((Double(round), value.loss))
        }
      }
      if evaluations.isEmpty { return }
      series.append(LineChart.Series(style: style, points: points, isMarked: true, name: name))
      legend.append(LegendEntry(style: style, text: name))
    }
    if let base = outcome.base, let last = rounds.last {
      series.append(
        LineChart.Series(
          style: .base, points: [(0, base.loss), (Double(last), base.loss)], name: "base"))
      legend.append(LegendEntry(style: .base, text: "base model"))
    }
    let own = outcome.own(on: .heldout)
    for client in Set(own.map(\.model)).sorted(by: { name($0) < name($1) }) {
      let points = own.filter { $0.model == client }
        .compactMap { part in part.loss.map { (x: Double(part.round ?? 0), y: $0) } }
        .sorted { $0.x < $1.x }
      series.append(
        LineChart.Series(
          style: .faint, points: points, isMarked: true, name: name(client)))
    }
    add("local models, mean (dots: single clients)", .own, own)
    add("global model", .global, outcome.global(on: .heldout))
    add("pooled", .pooled, outcome.pooled(on: .heldout))
    if series.isEmpty { return }
    parent.heading("On the held-out records of all clients")
    parent.figure("Held-out loss after each round; round 0 is the base model.", legend: legend) {
      LineChart(
        series: series, xLabel: "round", yLabel: "held-out loss, nats per target token",
        xRange: [0], width: 520, height: 280
      ).draw(in: $0)
    }
  }

  // MARK: By client

  private static func writeByClient(_ outcome: Outcome, into parent: HTMLElement) {
    let clients = outcome.clients
    if clients.isEmpty { return }
    parent.heading("On each client's own held-out records")
    let drawn = clients.prefix(PlanSection.drawnClients)
    var caption =
      "Last round. A circle left of its square: this client gains from federation. Less is better."
    if drawn.count < clients.count {
      caption += " The first \(drawn.count) of \(clients.count) clients are drawn."
    }
    parent.figure(
      caption,
      legend: [
        LegendEntry(style: .base, text: "base"), LegendEntry(style: .own, text: outcome.ownName),
        LegendEntry(style: .global, text: "global"),
      ]
    ) { plots in
      let rows = drawn.map { row in
        var marks: [(style: SeriesStyle, name: String, value: Double)] = []
        if let loss = row.base?.loss { marks.append((.base, "base", loss)) }
        if let loss = row.own?.loss { marks.append((.own, "local", loss)) }
        if let loss = row.global?.loss { marks.append((.global, "global", loss)) }
        return DotChart.Row(label: row.client.label, marks: marks)
      }
      DotChart(
        rows: rows, xLabel: "loss on the client's own held-out records, nats per target token",
        width: 520, rowHeight: 24
      ).draw(in: plots)
    }
    clientTable(clients).write(into: parent)
  }

  private static func clientTable(_ clients: [Outcome.ClientRow]) -> Table {
    var table = Table(
      "Loss on each client's own held-out records, last round, nats per target token. The table of "
        + "every evaluation names the file of each number.",
      [
        .text("Client"), .number("Target tokens"), .number("Base"), .number("Local"),
        .number("Global"), .number("Global − base"), .number("Global − local"),
        .source("Source of the global loss"),
      ])
    func row(
      _ name: String, _ tokens: Int, _ base: Double?, _ own: Double?, _ global: Double?,
      _ source: String, isTotal: Bool = false
    ) {
      func text(_ value: Double?) -> String {
        value.map { NumberText.fixed($0, 3) } ?? NumberText.none
      }
      func difference(_ other: Double?) -> String {
        guard let global, let other else { return NumberText.none }
        return NumberText.signed(global - other, 3)
      }
      table.row(
        [
          name, NumberText.count(tokens), text(base), text(own), text(global), difference(base),
          difference(own), source,
        ], isTotal: isTotal)
    }
    for client in clients {
      let any = client.global ?? client.own ?? client.base
      row(
        client.client.label, any?.targetTokens ?? 0, client.base?.loss, client.own?.loss,
        client.global?.loss, any?.source ?? "")
    }
    if clients.count > 1 {
      let tokens = clients.map {
        ($0.global ?? $0.own ?? $0.base)?.targetTokens ?? 0
      }.total
      func pooled(_ part: (Outcome.ClientRow) -> Evaluation?) -> Double? {
        let parts = clients.compactMap(part)
        return parts.count == clients.count ? Outcome.Pooled(parts)?.loss : nil
      }
      row(
        "all", tokens, pooled(\.base), pooled(\.own), pooled(\.global), "all of the above",
        isTotal: true)
    }
    return table
  }

  // MARK: Every number

  private static func table(_ run: Run) -> Table {
    var table = Table(
      "Every evaluation. Cut: records that the context cut short, and the target tokens they lost.",
      [
        .text("Arm"), .number("Round"), .text("Model"), .text("Records of"),
        .number("Loss, nats/token"), .number("Token accuracy"), .number("Records"),
        .number("Target tokens"), .number("Cut records"), .number("Cut targets"),
        .source("Source"),
      ])
    for evaluation in run.evaluations {
      table.row([
        evaluation.arm ?? NumberText.none,
        NumberText.count(evaluation.round), name(evaluation.model),
        name(evaluation.set), evaluation.loss.map { NumberText.fixed($0, 4) } ?? NumberText.none,
        evaluation.tokenAccuracy.map { NumberText.percent($0) } ?? NumberText.none,
        NumberText.count(evaluation.records), NumberText.count(evaluation.targetTokens),
        NumberText.count(evaluation.cut.truncatedRecords),
        NumberText.count(evaluation.cut.truncatedTargetTokens),
        evaluation.source,
      ])
    }
    return table
  }

  private static func name(_ model: Evaluation.Model) -> String {
    switch model {
    case .base: "base"
    case .global: "global"
    case .client(let client): client.label
    case .named(let name): name
    }
  }

  private static func name(_ set: Evaluation.RecordSet) -> String {
    switch set {
    case .heldout: "all, held out"
    case .client(let client): client.label
    case .named(let name): name
    }
  }
}
