// SPDX-License-Identifier: Apache-2.0

/// Shares of questions that models got right; nothing is drawn where no model was asked any.
enum TaskTables {
  private static let columns: [Table.Column] =
    [.number("Questions")] + TaskAccuracy.Measure.allCases.dropLast().map { .number($0.rawValue) }
    + [.number("Answers"), .number(TaskAccuracy.Measure.exactMatch.rawValue)]

  /// One row for each evaluation that asked.
  static func evaluations(_ run: Run, names: (Evaluation) -> (model: String, set: String)) -> Table {
    var table = Table(
      "Questions answered: the share of choices picked rightly by likelihood (acc), by likelihood for "
        + "each character (acc_norm) and for each byte (acc_bytes), and of generated answers that "
        + "match exactly.",
      [.text("Arm"), .number("Round"), .text("Model"), .text("Records of")] + columns
        + [.source("Source")])
    for evaluation in run.evaluations where !evaluation.tasks.isEmpty {
      let (model, set) = names(evaluation)
      table.row(
        [evaluation.arm ?? NumberText.none, NumberText.count(evaluation.round), model, set]
          + cells([evaluation.tasks]) + [evaluation.source])
    }
    return table
  }

  /// One row for each run and model that was asked about the held-out records.
  static func comparison(_ runs: [Run]) -> Table {
    var table = Table(
      "Questions of each run's held-out records that its models got right.",
      [.text("Run"), .text("Model")] + columns + [.source("Source")])
    for run in runs {
      let outcome = Outcome(run)
      for (name, evaluations) in [
        ("base", outcome.asked(.base)), (outcome.ownName + ", mean", outcome.asked(.own)),
        ("global", outcome.asked(.global)), ("pooled", outcome.asked(.pooled)),
      ] where !evaluations.isEmpty {
        table.row(
          [run.name, name] + cells(evaluations.map(\.tasks))
            + [NumberText.paths(evaluations.map { "\(run.name)/\($0.source)" })])
      }
    }
    return table
  }

  private static func cells(_ parts: [TaskAccuracy]) -> [String] {
    func share(_ measure: TaskAccuracy.Measure) -> String {
      TaskAccuracy.pooled(parts, measure).map { NumberText.percent($0) } ?? NumberText.none
    }
    // Models that were asked the same questions count them once.
    func count(_ counts: [Int]) -> String {
      counts.max().flatMap { $0 > 0 ? NumberText.count($0) : nil } ?? NumberText.none
    }
    return [
      count(parts.map(\.questions)), share(.acc), share(.accNorm), share(.accBytes),
      count(parts.map(\.answers)), share(.exactMatch),
    ]
  }
}
