// SPDX-License-Identifier: Apache-2.0

/// Training loss by step: one panel a client, the rounds one after the other.
enum TrainingSection: ReportSection {
  static let anchor: StaticString = "training"
  static let title = "Training"

  static func applies(to run: Run) -> Bool { run.isFolder || !run.trainings.isEmpty }

  /// Panels drawn at most.
  static let panelLimit = 24

  static func write(_ run: Run, into parent: HTMLElement) {
    guard !run.trainings.isEmpty else {
      parent.missing(
        "No training events: cl-train --log arm-federated/round-001/client-000.events.jsonl "
          + "writes them.")
      return
    }
    let withSteps = run.trainings.filter { !$0.steps.isEmpty }
    if !withSteps.isEmpty { writePanels(withSteps, into: parent) }
    table(run.trainings).write(into: parent)
    writeSettings(run.trainings, into: parent)
  }

  /// What all trainings have in common, and what the context took from their records.
  private static func writeSettings(_ trainings: [Training], into parent: HTMLElement) {
    var facts: [(term: String, value: String)] = []
    func add(_ term: String, _ values: [String]) {
      let distinct = Set(values).sorted()
      if !distinct.isEmpty { facts.append((term, distinct.joined(separator: ", "))) }
    }
    add(
      "Trainable parameters", trainings.compactMap { $0.trainableParameters.map(NumberText.count) })
    add("Precision", trainings.compactMap(\.precision))
    add("Kernels", trainings.compactMap(\.kernels))
    add("Threads", trainings.compactMap { $0.threads.map(NumberText.count) })
    if trainings.contains(where: { $0.cut.truncatedRecords != nil }) {
      let records = trainings.map { $0.cut.truncatedRecords ?? 0 }.total
      let targets = trainings.map { $0.cut.truncatedTargetTokens ?? 0 }.total
      let lost = trainings.map { $0.cut.lostRecords ?? 0 }.total
      facts.append(
        (
          "Cut off by the context, all trainings",
          "\(NumberText.counted(records, "record")), "
            + "\(NumberText.counted(targets, "target token")); "
            + "\(NumberText.counted(lost, "record")) lost"
        ))
    }
    if !facts.isEmpty { parent.facts(facts) }
  }

  private static func writePanels(_ trainings: [Training], into parent: HTMLElement) {
    var subjects: [String] = []
    for training in trainings.sorted(by: order) where !subjects.contains(subject(training)) {
      subjects.append(subject(training))
    }
    let drawn = subjects.prefix(panelLimit)
    let losses = trainings.filter { drawn.contains(subject($0)) }.flatMap { $0.steps.map(\.loss) }
    let arms = Set(trainings.map { $0.arm ?? "" })
    var legend: [LegendEntry] = []
    if arms.contains("federated") {
      legend.append(
        LegendEntry(style: .global, text: "federated (from the global model each round)"))
    }
    if arms.contains("local") {
      legend.append(LegendEntry(style: .own, text: "local (goes on alone)"))
    }
    if arms.contains("pooled") { legend.append(LegendEntry(style: .pooled, text: "pooled")) }
    if arms.contains("") { legend.append(LegendEntry(style: .other, text: "training")) }
    var caption =
      "Mean loss of each step's target tokens before its update. Dotted verticals: a new round. All "
      + "panels have the same vertical axis."
    if trainings.contains(where: { $0.steps.count > LineChart.pointLimit }) {
      caption += " Long curves are drawn as means of runs of steps."
    }
    if drawn.count < subjects.count {
      caption += " The first \(drawn.count) of \(subjects.count) are drawn."
    }
    parent.figure(caption, legend: legend) { plots in
      for subject in drawn {
        panel(subject, trainings.filter { self.subject($0) == subject }, losses).draw(in: plots)
      }
    }
  }

  private static func panel(
    _ title: String, _ trainings: [Training], _ losses: [Double]
  ) -> LineChart {
    // Where each round starts is the same for all arms, so that their steps lie below each other.
    var start: [Int: Int] = [:]
    var offset = 0
    var dividers: [Double] = []
    for round in Set(trainings.map { $0.round ?? 0 }).sorted() {
      start[round] = offset
      if offset > 0 { dividers.append(Double(offset) + 0.5) }
      offset += trainings.filter { ($0.round ?? 0) == round }.map(\.steps.count).max() ?? 0
    }
    let series = trainings.sorted(by: order).map { training in
      let first = start[training.round ?? 0] ?? 0
      return LineChart.Series(
        style: style(training),
        points: training.steps.enumerated().map { index, step in
          (Double(first + index + 1), step.loss)
        }, name: title)
    }
    return LineChart(
      title: title, series: series, xLabel: "step", yLabel: "nats per target token",
      alsoCovering: losses, dividers: dividers, width: 270, height: 190)
  }

  private static func subject(_ training: Training) -> String {
    training.arm == "pooled" ? "all data" : training.client?.label ?? "training"
  }

  private static func style(_ training: Training) -> SeriesStyle {
    switch training.arm {
    case "federated": .global
    case "local": .own
    case "pooled": .pooled
    default: .other
    }
  }

  /// Clients, then arms, then rounds.
  static func order(_ left: Training, _ right: Training) -> Bool {
    if left.client != right.client {
      guard let a = left.client else { return false }
      guard let b = right.client else { return true }
      return a < b
    }
    return (left.arm ?? "", left.round ?? 0, left.source)
      < (right.arm ?? "", right.round ?? 0, right.source)
  }

  private static func table(_ trainings: [Training]) -> Table {
    var table = Table(
      "Every training. Losses in nats per target token of the first and the last step.",
      [
        .text("Client"), .text("Arm"), .number("Round"), .number("Steps"), .number("Tokens"),
        .number("Target tokens"), .number("First loss"), .number("Last loss"), .number("Seconds"),
        .number("Tokens/s"), .source("Source"),
      ])
    for training in trainings.sorted(by: order) {
      func loss(_ value: Double?) -> String {
        value.map { NumberText.fixed($0, 3) } ?? NumberText.none
      }
      let seconds = training.seconds
      table.row([
        training.client?.label ?? NumberText.none, training.arm ?? NumberText.none,
        NumberText.count(training.round),
        NumberText.count(training.stepCount), NumberText.count(training.tokens),
        NumberText.count(training.targetTokens),
        loss(training.end?.lossFirst ?? training.steps.first?.loss),
        loss(training.end?.lossLast ?? training.steps.last?.loss),
        seconds.map { NumberText.fixed($0, 1) } ?? NumberText.none,
        seconds.flatMap { $0 > 0 ? NumberText.fixed(Double(training.tokens) / $0, 0) : nil }
          ?? NumberText.none,
        training.source,
      ])
    }
    return table
  }
}
