// SPDX-License-Identifier: Apache-2.0
import Compute
import LanguageModels
import Randomness
import Testing

@Suite struct DropoutTests {
  private static let config = MemoryModel.everyFlag

  private func model(rate: Double) throws -> LanguageModel {
    var settings = LoRASettings()
    settings.rank = 2
    settings.alpha = 3
    settings.dropout = rate
    let model = try LanguageModel(
      config: Self.config, store: try MemoryModel(Self.config).store(),
      modules: try settings.modules(of: Self.config), device: ReferenceDevice())
    model.initialise(seed: Seed(1))
    let lora = try #require(model.lora)
    for (index, module) in lora.modules.enumerated() {
      var stream = Seed(2).stream("b", module.path)
      var values = [Float](repeating: 0, count: module.outputs * module.rank)
      values.withUnsafeMutableBufferPointer { stream.fillUniform($0, bound: 0.3) }
      lora.write(b: values, at: index)
    }
    return model
  }

  private func masks(_ rate: Double, _ numbers: [Int], seed: UInt64 = 5) -> RowDropout? {
    RunDropout(rate: rate, seed: Seed(seed), path: ["round-1", "client-a"]).row(numbers)
  }

  private func gradients(_ model: LanguageModel, _ row: PackedRow, _ dropout: RowDropout?) throws
    -> (losses: [Float], gradients: [Float])
  {
    let lora = try #require(model.lora)
    model.device.fill(lora.gradients, with: 0)
    let losses = try model.accumulateGradients(row, gradientScale: 1, dropout: dropout)
    return (losses.map(\.nll), model.device.read(lora.gradients))
  }

  /// Zero or x / (1 - rate), with the mean of x; other places and sites give other masks.
  @Test func theExpectationIsTheInput() throws {
    let device = ReferenceDevice()
    let (rows, columns) = (64, 1000)
    let x = try device.allocate(rows * columns, label: "x")
    device.fill(x, with: 2)
    let y = try device.allocate(rows * columns, label: "y")
    for rate in [0.1, 0.5] {
      let mask = DropoutMask(key: 7, site: 3, rate: rate)
      let places = (0..<rows).map { DropoutMask.Place(stream: 9, position: UInt32($0)) }
      device.dropout(y, x: x, places: places, columns: columns, mask: mask, accumulate: false)
      let values = device.read(y)
      #expect(Set(values) == [0, 2 * mask.scale])
      let kept = Double(values.filter { $0 != 0 }.count) / Double(values.count)
      // Five deviations of 64,000 draws.
      #expect(abs(kept - (1 - rate)) <= 5 * (rate * (1 - rate) / 64_000).squareRoot())
      #expect(abs(values.reduce(0) { $0 + Double($1) } / 64_000 - 2) <= 0.05)
      #expect(values[..<columns] != values[columns..<2 * columns])
      device.dropout(
        y, x: x, places: places, columns: columns,
        mask: DropoutMask(key: 7, site: 4, rate: rate), accumulate: false)
      #expect(device.read(y) != values)
    }
  }

  /// How examples are packed changes neither masks nor gradients.
  @Test func masksBelongToExamples() throws {
    let (first, second) = (
      (tokens: [Int32(3), 7, 1, 19, 4, 11, 2], isTarget: Array(repeating: true, count: 7)),
      (tokens: [Int32(5), 22, 9, 14], isTarget: [false, false, true, true])
    )
    let model = try model(rate: 0.3)
    let together = try gradients(model, PackedRow([first, second]), masks(0.3, [4, 5]))
    let one = try gradients(model, PackedRow([first]), masks(0.3, [4]))
    let other = try gradients(model, PackedRow([second]), masks(0.3, [5]))
    let apart = zip(one.gradients, other.gradients).map { $0 + $1 }
    #expect(zip(together.gradients, apart).allSatisfy { abs($0 - $1) <= 1e-4 + 1e-4 * abs($1) })
    let swapped = try gradients(model, PackedRow([second, first]), masks(0.3, [5, 4]))
    #expect(
      zip(together.gradients, swapped.gradients).allSatisfy {
        abs($0 - $1) <= 1e-4 + 1e-4 * abs($1)
      })
    let numbered = try gradients(model, PackedRow([first, second]), masks(0.3, [5, 4]))
    #expect(numbered.losses != together.losses)
  }

  @Test func gradientsAreSlopesUnderTheSameMasks() throws {
    let model = try model(rate: 0.4)
    let lora = try #require(model.lora)
    let dropout = masks(0.4, [0, 1])
    let start = model.device.read(lora.values)
    let slopes = try gradients(model, GradientTests.row, dropout).gradients
    for (index, module) in lora.modules.enumerated() {
      for isA in [true, false] {
        let range = lora.range(index, isA: isA)
        let norm = slopes[range].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        #expect(norm > 0.001)
        var ends: [Double] = []
        for step in [0.01, -0.01] {
          var moved = start
          for place in range { moved[place] += Float(step * Double(slopes[place]) / norm) }
          moved.withUnsafeBufferPointer { model.device.write($0, to: lora.values) }
          ends.append(
            try gradients(model, GradientTests.row, dropout).losses.reduce(0) { $0 + Double($1) })
        }
        start.withUnsafeBufferPointer { model.device.write($0, to: lora.values) }
        let found = (ends[0] - ends[1]) / 0.02
        #expect(abs(found - norm) <= 0.01 * norm + 2e-3, "\(module.path) A \(isA)")
      }
    }
  }

  @Test func withoutDropoutThereAreNoMasks() {
    #expect(masks(0, [1]) == nil)
  }
}
