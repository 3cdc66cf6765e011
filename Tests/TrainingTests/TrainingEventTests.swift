// SPDX-License-Identifier: Apache-2.0
import LanguageModels
import Streams
import Testing
import TestSupport
import Training

@Suite struct TrainingEventTests {
  /// The samples of Documentation/formats/training-events.md, by type.
  private func samples() throws -> [String: String] {
    let path = "\(PackageLayout.root)/Documentation/formats/training-events.md"
    let text = String(decoding: try InputSource(path: path).readAll(), as: UTF8.self)
    var samples: [String: String] = [:]
    for line in text.split(separator: "\n") where line.hasPrefix("    {\"type\"") {
      let json = String(line.dropFirst(4))
      let type = try JSONValue(parsing: Array(json.utf8))["type"]?.text
      samples[type ?? ""] = json
    }
    return samples
  }

  @Test func documentedLinesAreWhatIsWritten() throws {
    var start = TrainingEvent.Start(client: "3", round: 2)
    start.records = 80
    start.tokens = 9653
    start.targetTokens = 6021
    start.truncatedRecords = 1
    start.truncatedTargetTokens = 40
    start.steps = 5
    start.trainableParameters = 4_884_480
    start.base = "18d9e67f"
    start.kernels = "cpu: float32"
    start.threads = 2
    let step = TrainingEvent.Step(
      step: 1, loss: 3.5, targetTokens: 1204, tokens: 1930, learningRate: 0.0002,
      gradientNorm: 0.75, seconds: 2.5)
    var end = TrainingEvent.End(client: "3", round: 2)
    end.steps = 5
    end.tokens = 9653
    end.targetTokens = 6021
    end.lossFirst = 3.5
    end.lossLast = 3.25
    end.seconds = 13.5
    end.startupSeconds = 0.25
    end.flops = 5.9e12
    end.profile[.products] = 6.5
    end.profile[.optimizer] = 0.25
    end.peakMemoryBytes = 900_000_000
    end.adapterBytes = 19_593_896
    end.adapter = "dd7a48ef"
    let samples = try samples()
    for (type, event) in [
      ("train_start", TrainingEvent.start(start)), ("step", .step(step)), ("train_end", .end(end)),
    ] {
      #expect(String(decoding: event.line.dropLast(), as: UTF8.self) == samples[type])
    }
    #expect(samples["train_plan"] != nil)
  }
}
