// SPDX-License-Identifier: Apache-2.0
import Aggregation
import Foundation
import Streams
import TestSupport
import Testing

/// The samples of Documentation/formats/aggregate.md have the fields that are written, in order.
@Suite struct FormatPageTests {
  private func samples() throws -> [JSONValue] {
    let page = try String(
      contentsOfFile: "\(PackageLayout.root)/Documentation/formats/aggregate.md", encoding: .utf8)
    return try page.components(separatedBy: "```json\n").dropFirst().map {
      try JSONValue(parsing: Array($0.components(separatedBy: "\n```")[0].utf8))
    }
  }

  @Test func sampleHasTheFieldsThatAreWritten() throws {
    let samples = try samples()
    #expect(samples.count == 2)
    let sample = try SampleRound()
    var other = SampleRound.Client(name: "9")
    other.base = "other"
    let job = try AggregationJob(try RuleCatalog.entry("fedavg"), minimum: 2)
    let outcome = try job.run(
      try sample.files(SampleRound.clients(2) + [other]), withDigests: true)
    let line = try JSONValue(
      parsing: try AggregationReport(outcome, of: job).line(digest: "d", bytesOut: 1))
    #expect(line.object?.keys == samples[0].object?.keys)
    for list in ["refused", "modules"] {
      #expect(
        line[list]?.elements?.first?.object?.keys == samples[0][list]?.elements?.first?.object?.keys)
    }
    // The test's adapters count no steps.
    #expect(
      line["clients"]?.elements?.first?.object?.keys
        == samples[0]["clients"]?.elements?.first?.object?.keys.filter { $0 != "steps" })
    #expect(samples[1].object?.keys == ["client", "weight"])
  }
}
