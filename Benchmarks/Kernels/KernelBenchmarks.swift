// SPDX-License-Identifier: Apache-2.0
import Compute

/// Sizes of a model, and how its file stores the matrices.
struct ModelShape {
  let name: String
  let hidden: Int
  let intermediate: Int
  let heads: Int
  let keyValueHeads: Int
  let headSize: Int
  let vocabulary: Int
  let format: WeightFormat
  let headFormat: WeightFormat
  /// Tokens of a step.
  let rows: Int
  let contexts: [Int]

  static let all = [
    ModelShape(
      name: "135m", hidden: 576, intermediate: 1536, heads: 9, keyValueHeads: 3, headSize: 64,
      vocabulary: 49152, format: .q4_1, headFormat: .q8_0, rows: 2048,
      contexts: [256, 512, 1024, 2048, 4096, 8192, 16384]),
    ModelShape(
      name: "1b", hidden: 2048, intermediate: 8192, heads: 32, keyValueHeads: 8, headSize: 64,
      vocabulary: 128_256, format: .bfloat16, headFormat: .bfloat16, rows: 512,
      contexts: [512, 2048]),
  ]
}

extension Bench {
  func linear() throws {
    let (hidden, wide, rows) = (model.hidden, model.intermediate, model.rows)
    let keyValue = model.keyValueHeads * model.headSize
    try withBuffers([rows * wide, rows * wide]) { b in
      for (inputs, outputs) in [(hidden, hidden), (hidden, keyValue), (hidden, wide), (wide, hidden)] {
        let w = try matrix(outputs, inputs, model.format)
        let work = 2 * Double(rows) * Double(inputs) * Double(outputs)
        let name = "\(rows)x\(inputs)x\(outputs) \(model.format.rawValue)"
        report("linear forward \(name)", products, work: work) {
          device.linearForward(b[1], x: b[0], weight: w, rows: rows, accumulate: false, plus: nil)
        }
        report("linear backward \(name)", products, work: work) {
          device.linearBackward(b[0], dy: b[1], weight: w, rows: rows, accumulate: false, plus: nil)
        }
      }
    }
  }

  /// The same products with what an adapter adds to them.
  func adapted() throws {
    let (hidden, wide, rows, rank) = (model.hidden, model.intermediate, model.rows, 16)
    try withBuffers([rows * wide, rows * wide, rows * rank, wide * rank]) { b in
      let w = try matrix(wide, hidden, model.format)
      let work = 2 * Double(rows) * Double(hidden + rank) * Double(wide)
      let name = "\(rows)x\(hidden)+\(rank)x\(wide) \(model.format.rawValue)"
      let term = LowRankTerm(hidden: b[2], stride: rank, rank: rank, factor: b[3], scale: 1e-3)
      report("adapted forward \(name)", products, work: work) {
        device.linearForward(b[1], x: b[0], weight: w, rows: rows, accumulate: false, plus: term)
      }
      let backward = 2 * Double(rows) * Double(wide + rank) * Double(hidden)
      report("adapted backward \(name)", products, work: backward) {
        device.linearBackward(b[0], dy: b[1], weight: w, rows: rows, accumulate: false, plus: term)
      }
    }
  }

  func lowRank() throws {
    let (rows, rank) = (model.rows, 16)
    for width in [model.keyValueHeads * model.headSize, model.hidden, model.intermediate] {
      try withBuffers([rows * width, rows * width, rows * rank, width * rank, width * rank, rows * rank])
      { b in
        let (x, y, hidden, a, gradient, dHidden) = (b[0], b[1], b[2], b[3], b[4], b[5])
        let work = 2 * Double(rows) * Double(rank) * Double(width)
        report("low rank down \(rows)x\(width)x\(rank)", .float32, work: work) {
          device.lowRankDown(hidden, x: x, a: a, rows: rows, inputs: width, rank: rank)
        }
        report("low rank up backward \(rows)x\(rank)x\(width)", .float32, work: 2 * work) {
          device.lowRankUpBackward(
            dHidden: dHidden, dB: gradient, dy: y, hidden: hidden, b: a, rows: rows, outputs: width,
            rank: rank, offset: 0, stride: rank, scale: 1e-3, accumulate: false)
        }
        report("low rank down backward \(rows)x\(width)x\(rank)", .float32, work: work) {
          device.lowRankDownBackward(
            dA: gradient, dHidden: dHidden, x: y, rows: rows, inputs: width, rank: rank)
        }
      }
    }
  }

  /// Operations of the causal half only: what the result needs.
  func attention() throws {
    for length in model.contexts {
      let count = max(1, model.rows / length)
      let rows = count * length
      let shape = AttentionShape(
        starts: (0...count).map { Int32($0 * length) }, heads: model.heads,
        keyValueHeads: model.keyValueHeads, headSize: model.headSize, scale: 0.125)
      let (q, k) = (rows * model.heads * model.headSize, rows * model.keyValueHeads * model.headSize)
      try withBuffers([q, k, k, q, q, q, k, k, rows * model.heads]) { b in
        let pairs = Double(count) * Double(length) * Double(length + 1) / 2
        let work = 4 * pairs * Double(model.heads * model.headSize)
        report("attention forward \(count)x\(length)", products, work: work) {
          device.attentionForward(b[3], logSumExp: b[8], q: b[0], k: b[1], v: b[2], shape: shape)
        }
        report("attention backward \(count)x\(length)", products, work: 2.5 * work) {
          device.attentionBackward(
            dq: b[5], dk: b[6], dv: b[7], dOut: b[4], out: b[3], logSumExp: b[8], q: b[0], k: b[1],
            v: b[2], shape: shape)
        }
      }
    }
  }

  func loss() throws {
    let (rows, channels, vocabulary) = (model.rows, model.hidden, model.vocabulary)
    let targets = (0..<rows).map { Int32($0 * 7 % vocabulary) }
    try withBuffers([rows * channels, rows * channels]) { b in
      let head = try matrix(vocabulary, channels, model.headFormat)
      let work = 2 * Double(rows) * Double(channels) * Double(vocabulary)
      for gradient in [false, true] {
        report(
          "\(gradient ? "loss and gradient" : "loss") \(rows)x\(channels)x\(vocabulary)", products,
          work: gradient ? 2 * work : work
        ) {
          _ = device.crossEntropy(
            dHidden: gradient ? b[1] : nil, hidden: b[0], head: head, targets: targets,
            softcap: nil, gradientScale: 1)
        }
      }
    }
  }

  /// Operations that memory bounds, on arrays larger than the caches.
  func elements() throws {
    let (channels, wide) = (model.hidden, model.intermediate)
    let rows = max(model.rows, (1 << 23) / wide)
    let (count, bytes) = (rows * wide, Double(4 * rows * channels))
    let half = model.headSize / 2
    try withBuffers([count, count, count, rows, channels, rows * half, rows * half, count]) { b in
      report("rmsNorm forward", .memory, work: 2 * bytes) {
        device.rmsNormForward(
          b[1], inverseRMS: b[3], x: b[0], gain: b[4], rows: rows, channels: channels, epsilon: 1e-5)
      }
      report("rmsNorm backward, adding", .memory, work: 4 * bytes) {
        device.rmsNormBackward(
          b[2], dy: b[1], x: b[0], gain: b[4], inverseRMS: b[3], rows: rows, channels: channels,
          accumulate: true)
      }
      report("rotate", .memory, work: 2 * bytes) {
        device.rotate(
          b[0], cosines: b[5], sines: b[6], rows: rows, heads: model.heads,
          headSize: model.headSize, half: half, inverse: false)
      }
      for activation in [GateActivation.silu, .geluTanh] {
        report("gate forward \(activation.rawValue)", .memory, work: 12 * Double(count)) {
          device.gateForward(b[1], gate: b[0], up: b[2], activation: activation)
        }
        report("gate backward \(activation.rawValue)", .memory, work: 20 * Double(count)) {
          device.gateBackward(
            dGate: b[0], dUp: b[2], dy: b[1], gate: b[0], up: b[2], activation: activation)
        }
      }
      report("add", .memory, work: 12 * Double(count)) { device.add(b[1], b[0]) }
      report("sum of squares", .memory, work: 4 * Double(count)) { _ = device.sumOfSquares(b[0]) }
      device.fill(b[2], with: 0)
      device.fill(b[1], with: 0)
      report("adamW", .memory, work: 28 * Double(count)) {
        device.adamW(
          parameter: b[7], gradient: b[0], firstMoment: b[1], secondMoment: b[2],
          settings: AdamWSettings(
            learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, step: 10))
      }
    }
  }
}
