// SPDX-License-Identifier: Apache-2.0
import CommandSupport
import Records
import Scoring

extension ScoreCommand {
  /// What the user should know, on standard error.
  func report(_ totals: ScoreSummary, context: Int, seconds: Double, _ tool: Tool) {
    if totals.skippedRecords > 0 { tool.note("\(totals.skippedRecords) bad records skipped") }
    if totals.truncatedRecords > 0 {
      tool.note(
        "\(totals.truncatedRecords) of \(totals.records) records are longer than the context of "
          + "\(context) tokens and lose \(totals.truncatedTargetTokens) target tokens")
    }
    if totals.lostRecords > 0 {
      tool.note("\(totals.lostRecords) of \(totals.records) records have no target")
    }
    if let mean = totals.meanNLL { tool.detail("mean nll \(mean) nats a target token") }
    tool.detail("\(totals.records) records in \((seconds * 100).rounded() / 100) s")
  }
}
