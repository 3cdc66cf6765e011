// SPDX-License-Identifier: Apache-2.0

/// Length, sentences, quality and dual score of the records, client by client.
enum DistributionSection: ReportSection {
  static let anchor: StaticString = "distributions"
  static let title = "Length and quality by client"

  static func applies(to run: Run) -> Bool { run.isFolder || !run.shards.isEmpty }

  /// One measured property of the records.
  private struct Property {
    let name: String
    let xLabel: String
    /// Above the table.
    let caption: String
    let kind: Scale.Kind
    let digits: Int
    let range: [Double]
    let values: (ShardScores) -> [Double]
  }

  static func write(_ run: Run, into parent: HTMLElement) {
    let shards = run.shards.sorted { left, right in
      switch (left.client, right.client) {
      case (nil, nil): false
      case (nil, _): true
      case (_, nil): false
      case (let a?, let b?): a < b
      }
    }
    guard shards.contains(where: { !$0.lengths.isEmpty || !$0.qualities.isEmpty }) else {
      parent.missing(
        "No scores: shards/client-*.jsonl with the key cl_score, which cl-score adds, would fill "
          + "this section.")
      return
    }
    let properties = properties(unit: shards.first?.lengthUnit ?? "tokens")
    let drawn = Array(shards.prefix(PlanSection.drawnClients))
    var caption =
      "Box: middle half of the records; line: median; dot: mean; whiskers: from the 5 % to the 95 % "
      + "quantile."
    if drawn.count < shards.count {
      caption += " The first \(drawn.count) of \(shards.count) clients are drawn."
    }
    parent.figure(caption) { plots in
      for property in properties {
        draw(property, all: shards, drawn: drawn, in: plots)
      }
    }
    for property in properties { table(property, shards).write(into: parent) }
    summaryTable(run).write(into: parent)
    if run.recordsWithoutScore > 0 {
      parent.paragraph(
        "\(NumberText.counted(run.recordsWithoutScore, "record")) had no scores and are not counted "
          + "here.")
    }
  }

  private static func properties(unit: String) -> [Property] {
    [
      Property(
        name: "Length", xLabel: "\(unit) per record (doubling scale)",
        caption: "Length, \(unit) per record.", kind: .binaryLogarithm, digits: 0, range: [],
        values: \.lengths),
      Property(
        name: "Sentences", xLabel: "sentences per record (doubling scale)",
        caption: "Sentences per record.", kind: .binaryLogarithm, digits: 0, range: [],
        values: \.sentences),
      Property(
        name: "Quality", xLabel: "quality Q, 0 to 1", caption: "Quality Q, 0 to 1.",
        kind: .linear, digits: 3, range: [0, 1], values: \.qualities),
      Property(
        name: "Dual score", xLabel: "dual score D, 0 to 1",
        caption: "Dual score D of length and quality, 0 to 1.", kind: .linear, digits: 3,
        range: [0, 1], values: \.dualScores),
    ]
  }

  private static func label(_ shard: ShardScores) -> String { shard.client?.label ?? "records" }

  private static func draw(
    _ property: Property, all shards: [ShardScores], drawn: [ShardScores], in plots: HTMLElement
  ) {
    var rows: [BoxChart.Row] = []
    if shards.count > 1, let box = BoxStatistics(shards.flatMap(property.values)) {
      rows.append(BoxChart.Row(label: "all", box: box, isTotal: true))
    }
    for shard in drawn {
      if let box = BoxStatistics(property.values(shard)) {
        rows.append(BoxChart.Row(label: label(shard), box: box))
      }
    }
    if rows.isEmpty { return }
    BoxChart(
      title: property.name, rows: rows, kind: property.kind, xLabel: property.xLabel,
      alsoCovering: property.range, digits: property.digits
    ).draw(in: plots)
  }

  /// What cl-score said about all records before they were split.
  private static func summaryTable(_ run: Run) -> Table {
    var table = Table(
      "Scoring. Cut: records longer than the context, and the target tokens they lost.",
      [
        .number("Records"), .number("Skipped"), .number("Tokens"), .number("Target tokens"),
        .number("Cut records"), .number("Cut targets"), .number("Lost records"), .source("Source"),
      ])
    for summary in run.scoreSummaries {
      table.row([
        NumberText.count(summary.records), NumberText.count(summary.cut.skippedRecords),
        NumberText.count(summary.tokens), NumberText.count(summary.targetTokens),
        NumberText.count(summary.cut.truncatedRecords),
        NumberText.count(summary.cut.truncatedTargetTokens),
        NumberText.count(summary.cut.lostRecords), summary.source,
      ])
    }
    return table
  }

  private static func table(_ property: Property, _ shards: [ShardScores]) -> Table {
    var table = Table(
      property.caption,
      [
        .text("Client"), .number("Records"), .number("5 %"), .number("25 %"), .number("Median"),
        .number("75 %"), .number("95 %"), .number("Mean"), .source("Source"),
      ])
    func row(_ name: String, _ box: BoxStatistics, _ source: String, isTotal: Bool = false) {
      table.row(
        [name, NumberText.count(box.count)]
          + box.quantiles.map { NumberText.fixed($0, property.digits) }
          + [NumberText.fixed(box.mean, max(1, property.digits)), source], isTotal: isTotal)
    }
    for shard in shards {
      guard let box = BoxStatistics(property.values(shard)) else { continue }
      row(label(shard), box, NumberText.paths(shard.sources))
    }
    if shards.count > 1, let box = BoxStatistics(shards.flatMap(property.values)) {
      row("all", box, "all of the above", isTotal: true)
    }
    return table
  }
}
