// SPDX-License-Identifier: Apache-2.0
import Compute
import Devices
import Testing

/// Products of bfloat16 operands: sums in float32, so with operands that bfloat16 holds exactly they
/// agree with the reference as float32 products do.
@Suite struct BFloat16Tests {
  /// Float32 sums, rounded after each addition.
  private let sums = 3e-6
  /// A gradient of logits, an attention weight or its gradient, rounded to bfloat16: 2^-9 of the value
  /// at most, less on average.
  private let roundedFactor = 4e-3

  /// The cpu device with bfloat16; nil where the processor has no instructions for it.
  static func machine(threads: Int = 2) throws -> Machine? {
    let device = try DeviceCatalog.make("cpu", threads: threads, precision: .bfloat16)
    return device.precision == .bfloat16 ? Machine(device) : nil
  }

  /// The nearest bfloat16 number, ties to even.
  static func rounded(_ values: [Float]) -> [Float] {
    values.map {
      let bits = $0.bitPattern
      return Float(bitPattern: (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
    }
  }

  /// A matrix of `format` on `machine`, and the same rounded to bfloat16 on `reference`.
  private func matrices(
    _ machine: Machine, _ reference: Machine, rows: Int, columns: Int, format: WeightFormat,
    order: RowOrder
  ) throws -> (Matrix, Matrix) {
    let found = try machine.noiseMatrix(
      rows: rows, columns: columns, format: format, order: order, seed: 11)
    let expanded = try machine.zeros(rows * columns)
    machine.device.embed(
      expanded, tokens: (0..<Int32(rows)).map { $0 }, table: found, scale: 1)
    let values = Self.rounded(machine.device.read(expanded))
    return (found, try reference.matrix(values, rows: rows, columns: columns))
  }

  /// What an adapter of rank 5 adds in both directions, of rounded operands too.
  private func terms(
    _ m: Machine, _ noise: inout Noise, rows: Int, inputs: Int, outputs: Int
  ) throws -> (up: LowRankTerm, down: LowRankTerm) {
    func rounded(_ count: Int) throws -> Buffer { try m.buffer(Self.rounded(noise.values(count))) }
    return (
      LowRankTerm(
        hidden: try rounded(rows * 8), stride: 8, offset: 2, rank: 5,
        factor: try rounded(outputs * 5), scale: 0.5),
      LowRankTerm(
        hidden: try rounded(rows * 5), stride: 5, rank: 5, factor: try rounded(5 * inputs))
    )
  }

  @Test(arguments: [(1, 512, 96), (67, 256, 411), (1100, 256, 800), (13, 2048, 2600), (121, 1536, 33)],
    [WeightFormat.float32, .q8_0, .q4_1, .bfloat16, .q6_K])
  func linearMapsAgreeWithRoundedOperands(shape: (Int, Int, Int), format: WeightFormat) throws {
    guard let machine = try Self.machine() else { return }
    let reference = Machine(ReferenceDevice())
    let (rows, inputs, outputs) = shape
    let order: RowOrder = outputs == 96 ? .interleavedHeads(headSize: 24) : .natural
    let weights = try matrices(
      machine, reference, rows: outputs, columns: inputs, format: format, order: order)
    var results: [[[Float]]] = []
    for (m, weight) in [(machine, weights.0), (reference, weights.1)] {
      var noise = Noise(10)
      let x = try m.buffer(Self.rounded(noise.values(rows * inputs)))
      let dy = try m.buffer(Self.rounded(noise.values(rows * outputs)))
      var buffers: [Buffer] = []
      for accumulate in [false, true] {
        let y = try m.buffer(noise.values(rows * outputs))
        let dx = try m.buffer(noise.values(rows * inputs))
        let (up, down) = try terms(m, &noise, rows: rows, inputs: inputs, outputs: outputs)
        m.device.linearForward(
          y, x: x, weight: weight, rows: rows, accumulate: accumulate, plus: up)
        m.device.linearBackward(
          dx, dy: dy, weight: weight, rows: rows, accumulate: accumulate, plus: down)
        buffers += [y, dx]
      }
      results.append(buffers.map(m.device.read))
    }
    for (found, expected) in zip(results[0], results[1]) {
      #expect(normalisedError(found, expected) < sums)
    }
  }

  /// An odd number of inputs leaves half a pair.
  @Test(arguments: [WeightFormat.float32, .bfloat16])
  func oddShapesAgree(format: WeightFormat) throws {
    guard let machine = try Self.machine() else { return }
    let reference = Machine(ReferenceDevice())
    for (rows, inputs, outputs) in [(5, 33, 7), (3, 1, 1), (0, 5, 3), (25, 47, 65)] {
      let weights = try matrices(
        machine, reference, rows: outputs, columns: inputs, format: format, order: .natural)
      let results = try [(machine, weights.0), (reference, weights.1)].map { m, weight in
        var noise = Noise(3)
        let x = try m.buffer(Self.rounded(noise.values(rows * inputs)))
        let dy = try m.buffer(Self.rounded(noise.values(rows * outputs)))
        let (y, dx) = (try m.zeros(rows * outputs), try m.zeros(rows * inputs))
        let (up, down) = try terms(m, &noise, rows: rows, inputs: inputs, outputs: outputs)
        m.device.linearForward(y, x: x, weight: weight, rows: rows, accumulate: false, plus: up)
        m.device.linearBackward(dx, dy: dy, weight: weight, rows: rows, accumulate: false, plus: down)
        return [y, dx].map(m.device.read)
      }
      for (found, expected) in zip(results[0], results[1]) {
        #expect(normalisedError(found, expected) < sums)
      }
    }
  }

  @Test(arguments: [(1, 96, 411), (67, 80, 411), (600, 32, 5000)], [Float?.none, 3])
  func lossesAgreeWithRoundedOperands(shape: (Int, Int, Int), softcap: Float?) throws {
    guard let machine = try Self.machine() else { return }
    let reference = Machine(ReferenceDevice())
    let (rows, channels, vocabulary) = shape
    let results = try [machine, reference].map { m in
      var noise = Noise(14)
      let head = try m.matrix(
        Self.rounded(noise.values(vocabulary * channels, amplitude: 0.5)), rows: vocabulary,
        columns: channels)
      let hidden = try m.buffer(Self.rounded(noise.values(rows * channels, amplitude: 4)))
      let targets = noise.integers(rows, below: vocabulary)
      let dHidden = try m.zeros(rows * channels)
      let losses = m.device.crossEntropy(
        dHidden: dHidden, hidden: hidden, head: head, targets: targets, softcap: softcap,
        gradientScale: 0.25)
      return [losses.map(\.nll), m.device.read(dHidden)]
    }
    #expect(normalisedError(results[0][0], results[1][0]) < sums)
    #expect(normalisedError(results[0][1], results[1][1]) < roundedFactor)
  }

  @Test(arguments: OperationCatalog.all)
  func operationsStayCloseToFloat32(operation: OperationCase) throws {
    guard let machine = try Self.machine() else { return }
    // Counts of hits are 0 or 1 and may turn over where two logits are close.
    let (found, expected) = (try operation.run(machine), try operation.run(Machine(ReferenceDevice())))
    for (index, pair) in zip(found, expected).enumerated() where !isHits(pair.1) {
      #expect(normalisedError(pair.0, pair.1) < 0.01, "output \(index) of \(operation.name)")
    }
  }

  private func isHits(_ values: [Float]) -> Bool { values.allSatisfy { $0 == 0 || $0 == 1 } }

  @Test(arguments: OperationCatalog.all)
  func bitsDoNotDependOnThreads(operation: OperationCase) throws {
    guard let single = try Self.machine(threads: 1) else { return }
    let expected = try operation.run(single).map { $0.map(\.bitPattern) }
    for threads in [2, 3, 4] {
      guard let several = try Self.machine(threads: threads) else { return }
      #expect(try operation.run(several).map { $0.map(\.bitPattern) } == expected)
    }
  }

  @Test func aDeviceWithoutBFloat16SaysSo() throws {
    let device = try DeviceCatalog.make("reference", threads: 1, precision: .bfloat16)
    #expect(device.precision == .float32)
    let notice = DeviceCatalog.notice(of: device, wanted: .bfloat16)
    #expect(notice.contains("no bf16 here") && notice.hasSuffix("computing in f32"))
  }
}
