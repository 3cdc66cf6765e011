// SPDX-License-Identifier: Apache-2.0
import Compute
import LanguageModels
import Testing

/// After its attention the last layer computes target rows only; nothing may show it but the time.
@Suite(.serialized) struct TargetRowsTests {
  /// A family without extras, one with norms of heads, one with norms of results.
  static let names = ["llama3", "qwen3", "gemma3"]

  /// The sequences with every position a target: then nothing is left out.
  private func full(_ golden: Golden) -> [(tokens: [Int32], isTarget: [Bool])] {
    golden.sequences.map { ($0.tokens, $0.tokens.map { _ in true }) }
  }

  /// Two halves of the targets of `row`.
  private func halves(
    _ sequences: [(tokens: [Int32], isTarget: [Bool])]
  ) -> [PackedRow] {
    [0, 1].map { half in
      PackedRow(
        sequences.map { sequence in
          (sequence.tokens, sequence.isTarget.indices.map { $0 / 3 % 2 == half })
        })
    }
  }

  @Test(arguments: names, deviceNames)
  func gradientsOfTwoHalvesOfTheTargetsAddUpToThoseOfAll(name: String, device: String) throws {
    let golden = try Golden(name)
    let sequences = full(golden)
    func gradients(_ rows: [PackedRow]) throws -> [Float] {
      let model = try golden.adaptedModel(on: try makeDevice(device))
      for row in rows { _ = try model.accumulateGradients(row, gradientScale: 0.01) }
      return model.device.read(try #require(model.lora).gradients)
    }
    let parts = halves(sequences)
    #expect(parts.allSatisfy { 2 * $0.targets.count < $0.count + $0.exampleCount * 4 })
    let difference = Golden.relativeDifference(
      try gradients(parts), try gradients([PackedRow(sequences)]))
    #expect(difference <= Golden.gradientTolerance)
  }

  @Test(arguments: names, deviceNames)
  func fewTargetsHaveTheLossesThatTheyHaveAmongAll(name: String, device: String) throws {
    let golden = try Golden(name)
    let model = try golden.adaptedModel(on: try makeDevice(device))
    let sequences = full(golden)
    let all = PackedRow(sequences)
    let losses = try model.score(all)
    let places = Dictionary(
      uniqueKeysWithValues: zip(all.targetRows, losses.map { ($0.nll, $0.isTop) }))
    for part in halves(sequences) {
      for (row, loss) in zip(part.targetRows, try model.score(part)) {
        let expected = try #require(places[row])
        #expect(abs(loss.nll - expected.0) <= Float(Golden.lossTolerance))
        #expect(loss.isTop == expected.1)
      }
    }
  }

  @Test func aRowWithoutTargetsCostsNothingAndChangesNothing() throws {
    let golden = try Golden("llama3")
    let model = try golden.adaptedModel(on: try makeDevice("cpu"))
    let row = PackedRow(golden.sequences.map { ($0.tokens, $0.tokens.map { _ in false }) })
    #expect(try model.score(row).isEmpty)
    #expect(try model.accumulateGradients(row, gradientScale: 1).isEmpty)
    let gradients = model.device.read(try #require(model.lora).gradients)
    #expect(gradients.allSatisfy { $0 == 0 })
  }
}
