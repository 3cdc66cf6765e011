// SPDX-License-Identifier: Apache-2.0
import Adapters
import Foundation
import Streams
import TestSupport
import Testing

/// The samples of Documentation/formats/adapters.md are what the program reads and writes.
@Suite struct FormatPageTests {
  private func samples() throws -> [String] {
    let page = try String(
      contentsOfFile: "\(PackageLayout.root)/Documentation/formats/adapters.md", encoding: .utf8)
    return page.components(separatedBy: "```json\n").dropFirst().map {
      $0.components(separatedBy: "\n```")[0]
    }
  }

  @Test func samplesAreReadAndWrittenAsTheyStand() throws {
    let samples = try samples()
    #expect(samples.count == 2)
    let folder = try TemporaryDirectory()
    let config = AdapterConfig(
      rank: 16, alpha: 32,
      targets: .modules([
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
      ]))
    #expect(config.json == samples[0])
    let tensors = [SampleAdapter.a([16, 3]), SampleAdapter.b([4, 16])]
    let path = folder.file("x.safetensors")
    try SampleAdapter.write(tensors, config: samples[0], cl: samples[1], to: path)
    let adapter = try AdapterReader.read(path: path)
    #expect(adapter.provenance?.json == samples[1])
    #expect(adapter.scale(of: adapter.modules[0]) == 2)
  }
}
