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
    #expect(samples.count == 3)
    let sample = try SampleRound()
    var other = SampleRound.Client(name: "9")
    other.base = "other"
    let job = try AggregationJob(try RuleCatalog.entry("fedavg"), minimum: 2)
    let outcome = try job.run(
      try sample.files(SampleRound.clients(2) + [other]), withDigests: true)
    let line = try JSONValue(
      parsing: AggregationReport(outcome, of: job).line(digest: "d", bytesOut: 1))
    #expect(line.object?.keys == samples[0].object?.keys)
    for list in ["refused", "modules"] {
      #expect(
        line[list]?.elements?.first?.object?.keys == samples[0][list]?.elements?.first?.object?.keys)
    }
    #expect(
      line["clients"]?.elements?.first?.object?.keys
        == samples[0]["clients"]?.elements?.first?.object?.keys)
    #expect(samples[1].object?.keys == ["client", "weight"])
    let file = try sample.file(SampleRound.Client(name: "0"), "described.safetensors")
    let described = try JSONValue(parsing: AdapterDescription(file, threads: 2).line)
    #expect(described.object?.keys == samples[2].object?.keys)
    #expect(
      described["modules"]?.elements?.first?.object?.keys
        == samples[2]["modules"]?.elements?.first?.object?.keys)
    #expect(described["finite"]?.bool == true)
  }
}
