// SPDX-License-Identifier: Apache-2.0
import Compute
import Testing

// The backward operations of the reference device against central differences of its forward ones;
// the other devices are compared with the reference.

@Suite struct FiniteDifferenceTests {
  /// The forward values are float32, so the difference of two sums of n of them, divided by the step,
  /// is uncertain by about 1e-7 · √n / step; the step's own error is of order step².
  private let step: Float = 1 / 256
  private let tolerance = 2e-3

  /// Compares the derivative of Σ dOut · forward along several directions with the gradients.
  private func check(
    _ inputs: [[Float]], dOut: [Float], forward: ([[Float]]) throws -> [Float],
    gradients: ([[Float]]) throws -> [[Float]?], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var noise = Noise(17)
    for (index, gradient) in try gradients(inputs).enumerated() {
      guard let gradient else { continue }
      for trial in 0..<4 {
        // Half of the directions climb in each coordinate, so that no term cancels another.
        let direction = noise.values(gradient.count).enumerated().map { i, value in
          trial % 2 == 0 ? value : abs(value) * (gradient[i] < 0 ? -1 : 1)
        }
        func value(_ sign: Float) throws -> Double {
          var moved = inputs
          for i in 0..<gradient.count { moved[index][i] += sign * step * direction[i] }
          return try zip(forward(moved), dOut).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        let measured = (try value(1) - value(-1)) / (2 * Double(step))
        let products = zip(gradient, direction).map { Double($0) * Double($1) }
        let expected = products.reduce(0, +)
        let size = products.reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(
          abs(measured - expected) <= tolerance * max(size, abs(expected)),
          "input \(index): measured \(measured), computed \(expected)",
          sourceLocation: sourceLocation)
      }
    }
  }

  @Test func rmsNorm() throws {
    var noise = Noise(20)
    let (rows, channels) = (5, 24)
    let gain = noise.values(channels)
    let dOut = noise.values(rows * channels)
    func forward(_ x: [Float], _ m: Machine) throws -> (x: Buffer, y: Buffer, s: Buffer, g: Buffer) {
      let (x, gain) = (try m.buffer(x), try m.buffer(gain))
      let (y, s) = (try m.zeros(rows * channels), try m.zeros(rows))
      m.device.rmsNormForward(
        y, inverseRMS: s, x: x, gain: gain, rows: rows, channels: channels, epsilon: 1e-3)
      return (x, y, s, gain)
    }
    try check(
      [noise.values(rows * channels)], dOut: dOut,
      forward: {
        let m = Machine(ReferenceDevice())
        return m.device.read(try forward($0[0], m).y)
      },
      gradients: {
        let m = Machine(ReferenceDevice())
        let f = try forward($0[0], m)
        let dx = try m.zeros(rows * channels)
        m.device.rmsNormBackward(
          dx, dy: try m.buffer(dOut), x: f.x, gain: f.g, inverseRMS: f.s, rows: rows,
          channels: channels, accumulate: false)
        return [m.device.read(dx)]
      })
  }

  @Test func rotation() throws {
    var noise = Noise(21)
    let (rows, heads, headSize, half) = (3, 2, 12, 5)
    let (cosines, sines) = (noise.values(rows * half), noise.values(rows * half))
    let dOut = noise.values(rows * heads * headSize)
    func rotate(_ x: [Float], inverse: Bool) throws -> [Float] {
      let m = Machine(ReferenceDevice())
      let x = try m.buffer(x)
      m.device.rotate(
        x, cosines: try m.buffer(cosines), sines: try m.buffer(sines), rows: rows, heads: heads,
        headSize: headSize, half: half, inverse: inverse)
      return m.device.read(x)
    }
    try check(
      [noise.values(dOut.count)], dOut: dOut, forward: { try rotate($0[0], inverse: false) },
      gradients: { _ in [try rotate(dOut, inverse: true)] })
  }

  @Test func linear() throws {
    var noise = Noise(22)
    let (rows, inputs, outputs) = (4, 32, 7)
    let dOut = noise.values(rows * outputs)
    try check(
      [noise.values(rows * inputs)], dOut: dOut,
      forward: {
        let m = Machine(ReferenceDevice())
        let w = try m.noiseMatrix(rows: outputs, columns: inputs, format: .q8_0, seed: 1)
        let y = try m.zeros(rows * outputs)
        m.device.linearForward(
          y, x: try m.buffer($0[0]), weight: w, rows: rows, accumulate: false, plus: nil)
        return m.device.read(y)
      },
      gradients: { _ in
        let m = Machine(ReferenceDevice())
        let w = try m.noiseMatrix(rows: outputs, columns: inputs, format: .q8_0, seed: 1)
        let dx = try m.zeros(rows * inputs)
        m.device.linearBackward(
          dx, dy: try m.buffer(dOut), weight: w, rows: rows, accumulate: false, plus: nil)
        return [m.device.read(dx)]
      })
  }

  @Test func lowRankProducts() throws {
    var noise = Noise(23)
    let (rows, inputs, outputs, rank, offset, stacked) = (6, 9, 11, 2, 1, 4)
    let dOut = noise.values(rows * outputs)
    let values = [rows * inputs, stacked * inputs, outputs * rank].map { noise.values($0) }
    func weight(_ m: Machine) throws -> Matrix {
      try m.noiseMatrix(rows: outputs, columns: inputs, format: .float32, seed: 2)
    }
    func forward(_ v: [[Float]], _ m: Machine) throws -> (inputs: [Buffer], hidden: Buffer, y: Buffer)
    {
      let buffers = try v.map(m.buffer)
      let (hidden, y) = (try m.zeros(rows * stacked), try m.zeros(rows * outputs))
      m.device.lowRankDown(
        hidden, x: buffers[0], a: buffers[1], rows: rows, inputs: inputs, rank: stacked)
      m.device.linearForward(
        y, x: buffers[0], weight: try weight(m), rows: rows, accumulate: false,
        plus: LowRankTerm(
          hidden: hidden, stride: stacked, offset: offset, rank: rank, factor: buffers[2], scale: 0.6))
      return (buffers, hidden, y)
    }
    try check(
      values, dOut: dOut,
      forward: {
        let m = Machine(ReferenceDevice())
        return m.device.read(try forward($0, m).y)
      },
      gradients: {
        let m = Machine(ReferenceDevice())
        let f = try forward($0, m)
        let dHidden = try m.zeros(rows * stacked)
        let (dx, dA) = (try m.zeros(rows * inputs), try m.zeros(stacked * inputs))
        let dB = try m.zeros(outputs * rank)
        m.device.lowRankUpBackward(
          dHidden: dHidden, dB: dB, dy: try m.buffer(dOut), hidden: f.hidden, b: f.inputs[2],
          rows: rows, outputs: outputs, rank: rank, offset: offset, stride: stacked, scale: 0.6,
          accumulate: false)
        m.device.linearBackward(
          dx, dy: try m.buffer(dOut), weight: try weight(m), rows: rows, accumulate: false,
          plus: LowRankTerm(hidden: dHidden, stride: stacked, rank: stacked, factor: f.inputs[1]))
        m.device.lowRankDownBackward(
          dA: dA, dHidden: dHidden, x: f.inputs[0], rows: rows, inputs: inputs, rank: stacked)
        return [dx, dA, dB].map(m.device.read)
      })
  }

  @Test(arguments: [nil, 4], [nil, Float(1.5)])
  func attention(window: Int?, softcap: Float?) throws {
    let shape = OperationCatalog.shape(
      [3, 9, 1], heads: 4, keyValueHeads: 2, headSize: 6, window: window, softcap: softcap)
    var inputs = OperationCatalog.attentionInputs(shape).map { $0.map { $0 / 2 } }
    let dOut = inputs.removeLast()
    try check(
      inputs, dOut: dOut,
      forward: {
        try OperationCatalog.runAttention(
          shape, on: Machine(ReferenceDevice()), inputs: $0 + [dOut])[0]
      },
      gradients: {
        Array(
          try OperationCatalog.runAttention(
            shape, on: Machine(ReferenceDevice()), inputs: $0 + [dOut])[2...])
      })
  }

  @Test(arguments: [GateActivation.silu, .geluTanh])
  func gate(activation: GateActivation) throws {
    var noise = Noise(24)
    let count = 50
    let dOut = noise.values(count)
    try check(
      [noise.values(count, amplitude: 4), noise.values(count)], dOut: dOut,
      forward: {
        let m = Machine(ReferenceDevice())
        let y = try m.zeros(count)
        m.device.gateForward(
          y, gate: try m.buffer($0[0]), up: try m.buffer($0[1]), activation: activation)
        return m.device.read(y)
      },
      gradients: {
        let m = Machine(ReferenceDevice())
        let (dGate, dUp) = (try m.zeros(count), try m.zeros(count))
        m.device.gateBackward(
          dGate: dGate, dUp: dUp, dy: try m.buffer(dOut), gate: try m.buffer($0[0]),
          up: try m.buffer($0[1]), activation: activation)
        return [dGate, dUp].map(m.device.read)
      })
  }

  @Test(arguments: [nil, Float(3)])
  func crossEntropy(softcap: Float?) throws {
    var noise = Noise(25)
    let (rows, channels, vocabulary) = (4, 10, 23)
    let weights = noise.values(vocabulary * channels)
    let targets = noise.integers(rows, below: vocabulary)
    func run(_ hidden: [Float]) throws -> (losses: [Float], dHidden: [Float]) {
      let m = Machine(ReferenceDevice())
      let head = try m.matrix(weights, rows: vocabulary, columns: channels)
      let dHidden = try m.zeros(rows * channels)
      let losses = m.device.crossEntropy(
        dHidden: dHidden, hidden: try m.buffer(hidden), head: head, targets: targets,
        softcap: softcap, gradientScale: 0.5)
      return (losses.map(\.nll), m.device.read(dHidden))
    }
    try check(
      [noise.values(rows * channels)], dOut: [Float](repeating: 0.5, count: rows),
      forward: { try run($0[0]).losses }, gradients: { [try run($0[0]).dHidden] })
  }
}
