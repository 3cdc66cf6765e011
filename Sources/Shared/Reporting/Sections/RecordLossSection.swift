// SPDX-License-Identifier: Apache-2.0

/// Where single records carry their likelihood: loss by length and by quality.
enum RecordLossSection: ReportSection {
  static let anchor: StaticString = "record-loss"
  static let title = "Loss by length and quality"

  static func applies(to run: Run) -> Bool {
    !run.recordLosses.isEmpty || (!run.isFolder && !run.shards.isEmpty)
  }

  static func write(_ run: Run, into parent: HTMLElement) {
    guard !run.recordLosses.isEmpty else {
      parent.missing(
        "No likelihoods: cl-score --model MODEL adds nll to each record, which fills this section.")
      return
    }
    let unit = run.shards.first?.lengthUnit ?? "tokens"
    let byLength = groups(run.recordLosses, \.length)
    let byQuality = groups(run.recordLosses, \.quality)
    parent.figure(
      "Bars: loss of the group's target tokens together. Groups hold about equally many records."
    ) { plots in
      if !byLength.isEmpty {
        chart(byLength, digits: 0, "loss by length (\(unit)), nats per token").draw(in: plots)
      }
      if !byQuality.isEmpty {
        chart(byQuality, digits: 2, "loss by quality, nats per token").draw(in: plots)
      }
    }
    table(byLength, "Loss by length, in \(unit).", digits: 0, run).write(into: parent)
    table(byQuality, "Loss by quality.", digits: 2, run).write(into: parent)
  }

  /// Records next to each other in a property.
  private struct Group {
    let low: Double
    let high: Double
    let records: [RecordLoss]
    var targetTokens: Int { records.map(\.targetTokens).total }
    var loss: Double { records.reduce(0) { $0 + $1.nll } / Double(max(1, targetTokens)) }
  }

  /// Up to eight groups; equal values stay together.
  private static func groups(
    _ losses: [RecordLoss], _ property: (RecordLoss) -> Double?
  ) -> [Group] {
    let sorted = losses.compactMap { loss in property(loss).map { (value: $0, loss: loss) } }
      .filter(\.value.isFinite)
      .enumerated().sorted { ($0.element.value, $0.offset) < ($1.element.value, $1.offset) }
      .map(\.element)
    var groups: [Group] = []
    var start = 0
    let size = max(1, (sorted.count + 7) / 8)
    while start < sorted.count {
      var end = min(start + size, sorted.count)
      while end < sorted.count && sorted[end].value == sorted[end - 1].value { end += 1 }
      groups.append(
        Group(
          low: sorted[start].value, high: sorted[end - 1].value,
          records: sorted[start..<end].map(\.loss)))
      start = end
    }
    return groups
  }

  private static func label(_ group: Group, _ digits: Int) -> String {
    let (low, high) = (NumberText.fixed(group.low, digits), NumberText.fixed(group.high, digits))
    return low == high ? low : "\(low)–\(high)"
  }

  private static func chart(_ groups: [Group], digits: Int, _ xLabel: String) -> BarChart {
    BarChart(
      rows: groups.map {
        BarChart.Row(
          label: label($0, digits), value: $0.loss, text: NumberText.fixed($0.loss, 3))
      }, xLabel: xLabel)
  }

  private static func table(_ groups: [Group], _ caption: String, digits: Int, _ run: Run) -> Table
  {
    var table = Table(
      caption,
      [
        .text("Range"), .number("Records"), .number("Target tokens"), .number("Loss, nats/token"),
        .source("Source"),
      ])
    for group in groups {
      table.row([
        label(group, digits), NumberText.count(group.records.count),
        NumberText.count(group.targetTokens), NumberText.fixed(group.loss, 3), run.name,
      ])
    }
    return table
  }
}
