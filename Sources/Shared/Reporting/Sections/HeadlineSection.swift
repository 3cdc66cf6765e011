// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Streams

/// What was run, and the answer in a few sentences and one table.
enum HeadlineSection: ReportSection {
  static let anchor: StaticString = "result"
  static let title = "Result"

  static func applies(to run: Run) -> Bool { true }

  static func write(_ run: Run, into parent: HTMLElement) {
    let outcome = Outcome(run)
    guard run.isFolder else {
      writeStream(run, into: parent)
      return
    }
    for sentence in outcome.sentences { parent.add("p", [.class("answer")], text: sentence) }
    if outcome.sentences.isEmpty {
      parent.missing(
        "No evaluation of a trained model yet: "
          + "arm-federated/round-*/eval/global.heldout.json would give the result.")
    }
    parent.newline()
    parent.facts(facts(run, outcome))
    let table = lossTable(outcome)
    if table.rows.isEmpty { return }
    writeChart(outcome, into: parent)
    table.write(into: parent)
  }

  private static func facts(_ run: Run, _ outcome: Outcome) -> [(term: String, value: String)] {
    var facts: [(String, String)] = []
    if let model = baseModel(run) { facts.append(("Base model", model)) }
    if let plan = run.plan {
      facts.append(("Split", plan.summary))
      if let records = plan.records { facts.append(("Records", NumberText.count(records))) }
    }
    let clients = run.clients.count
    if clients > 0 { facts.append(("Clients", NumberText.count(clients))) }
    if let last = outcome.rounds.last { facts.append(("Rounds", NumberText.count(last))) }
    let rules = Set(run.aggregations.compactMap(\.rule)).sorted()
    if !rules.isEmpty {
      let weights = Set(run.aggregations.compactMap(\.weights)).sorted()
      facts.append(
        (
          "Aggregation",
          rules.joined(separator: ", ")
            + (weights.isEmpty ? "" : " by \(weights.joined(separator: ", "))")
        ))
    }
    if let guarantee = outcome.guarantee { facts.append(("Privacy guarantee", guarantee)) }
    if let index = run.plan?.mainIndex, let njs = index.njs {
      facts.append(("Imbalance along \(index.axis)", "NJS \(NumberText.fixed(njs, 3))"))
    }
    if let seed = run.plan?.seed { facts.append(("Seed of the split", seed)) }
    return facts
  }

  /// The name that a tool was given for the model, and the digest that evaluations know it by.
  private static func baseModel(_ run: Run) -> String? {
    let digest = run.evaluations.compactMap(\.modelPath).first
    var name: String?
    for manifest in run.manifests where name == nil {
      if let index = manifest.arguments.firstIndex(of: "--model"),
        index + 1 < manifest.arguments.count
      {
        name = FileSystem.lastComponent(manifest.arguments[index + 1])
      }
    }
    guard let digest else { return name }
    let short = PrintableText.digest(FileSystem.lastComponent(digest))
    return name.map { $0 == short ? $0 : "\($0) (\(short))" } ?? short
  }

  private static func writeChart(_ outcome: Outcome, into parent: HTMLElement) {
    var rows: [DotChart.Row] = []
    func row(_ label: String, _ style: SeriesStyle, _ value: Outcome.Pooled?) {
      if let value {
        rows.append(DotChart.Row(label: label, marks: [(style, label, value.loss)]))
      }
    }
    row("base", .base, outcome.base)
    if let own = outcome.own {
      var marks: [(style: SeriesStyle, name: String, value: Double)] = []
      for evaluation in own.evaluations {
        guard case .client(let client) = evaluation.model, let loss = evaluation.loss else {
          continue
        }
        marks.append((.faint, client.label, loss))
      }
      marks.append((.own, "local, mean", own.loss))
      rows.append(DotChart.Row(label: "local", marks: marks))
    }
    row("global", .global, outcome.global)
    row("pooled", .pooled, outcome.pooled)
    let caption =
      "Loss on the held-out records of all clients; less is better. "
      + (outcome.own == nil ? "" : "Small dots: the clients' models, square: their mean.")
    parent.figure(caption) {
      DotChart(
        rows: rows, xLabel: "held-out loss, nats per target token", width: 520, rowHeight: 26
      )
      .draw(in: $0)
    }
  }

  private static func lossTable(_ outcome: Outcome) -> Table {
    var table = Table(
      "Held-out loss of each model, all clients' held-out records together.",
      [
        .text("Model"), .number("Loss, nats/token"), .number("Against base"),
        .number("Perplexity"), .number("Token accuracy"), .number("Records"),
        .number("Target tokens"), .source("Source"),
      ])
    func row(_ name: String, _ value: Outcome.Pooled?) {
      guard let value else { return }
      let more = value.evaluations.count - 1
      table.row([
        name, NumberText.fixed(value.loss, 3),
        outcome.base.map { NumberText.signed(value.loss - $0.loss, 3) } ?? NumberText.none,
        NumberText.significant(exp(min(value.loss, 700)), 4),
        value.accuracy.map { NumberText.percent($0) } ?? NumberText.none,
        NumberText.count(more == 0 ? value.records : value.evaluations[0].records),
        NumberText.count(more == 0 ? value.targetTokens : value.evaluations[0].targetTokens),
        NumberText.paths(value.evaluations.map(\.source)),
      ])
    }
    row("base", outcome.base)
    row("\(outcome.ownName), mean", outcome.own)
    row("global", outcome.global)
    row("pooled (all data in one place)", outcome.pooled)
    return table
  }

  // MARK: Streams

  private static func writeStream(_ run: Run, into parent: HTMLElement) {
    let records = run.shards.map(\.records).total
    let targets = run.recordLosses.map(\.targetTokens).total
    if targets > 0 {
      let nats = run.recordLosses.reduce(0) { $0 + $1.nll }
      parent.add(
        "p", [.class("answer")],
        text:
          "The model has a loss of \(NumberText.fixed(nats / Double(targets), 3)) nats per target token "
          + "over \(NumberText.counted(run.recordLosses.count, "record")) with "
          + "\(NumberText.counted(targets, "target token")).")
    } else if records > 0 {
      parent.add(
        "p", [.class("answer")],
        text: "\(NumberText.counted(records, "record")) without likelihoods: "
          + "cl-score --model adds them.")
    }
    parent.newline()
    var table = Table(
      "Summaries in the stream.",
      [
        .text("Model"), .text("Adapter"), .number("Loss, nats/token"), .number("Token accuracy"),
        .number("Records"), .number("Target tokens"), .source("Source"),
      ])
    for evaluation in run.evaluations {
      table.row([
        evaluation.modelPath.map(PrintableText.digest) ?? NumberText.none,
        evaluation.adapter.map(PrintableText.digest) ?? NumberText.none,
        evaluation.loss.map { NumberText.fixed($0, 3) } ?? NumberText.none,
        evaluation.tokenAccuracy.map { NumberText.percent($0) } ?? NumberText.none,
        NumberText.count(evaluation.records), NumberText.count(evaluation.targetTokens),
        evaluation.source,
      ])
    }
    table.write(into: parent)
    TaskTables.evaluations(run) {
      (($0.adapter ?? $0.modelPath).map(PrintableText.digest) ?? NumberText.none, NumberText.none)
    }.write(into: parent)
  }
}
