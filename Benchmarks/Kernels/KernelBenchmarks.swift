// SPDX-License-Identifier: Apache-2.0
import Compute
import Devices
import Glibc

// cl-bench-kernels [THREADS] [WORD]: speed of the operations of the cpu device, in shapes of
// SmolLM2-135M, next to what the machine reaches at best in the same run. With WORD only the lines
// whose name contains it. The last column is the share of that best.

/// Runs cases and prints a line for each.
struct Bench {
  let device: any Device
  let threads: Int
  let word: String

  func report(_ name: String, flops: Double = 0, bytes: Double = 0, _ body: () -> Void) {
    guard word.isEmpty || name.contains(word) else { return }
    let peak = Peak.measure(threads: threads)
    let seconds = shortest(body)
    let (rate, best, unit) =
      flops > 0 ? (flops / seconds / 1e9, peak.products, "GFLOP/s")
      : (bytes / seconds / 1e9, peak.memory, "GB/s")
    func column(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.utf8.count)) + text
    }
    let time = "\((seconds * 1e5).rounded() / 100) ms"
    print(
      name + String(repeating: " ", count: max(1, 36 - name.utf8.count)), column(time, 12),
      column("\(Int(rate)) \(unit)", 14), "of", column("\(Int(best))", 4),
      column("\(Int((100 * rate / best).rounded()))%", 5))
    fflush(nil)
  }

  func buffer(_ count: Int) throws -> Buffer {
    let buffer = try device.allocate(count, label: "benchmark")
    let values = (0..<count).map { Float(($0 &* 7919) % 1000) / 1000 - 0.5 }
    values.withUnsafeBufferPointer { device.write($0, to: buffer) }
    return buffer
  }

  func matrix(_ rows: Int, _ columns: Int, _ format: WeightFormat) throws -> Matrix {
    let bytes = UnsafeMutableRawBufferPointer.allocate(
      byteCount: rows * columns / format.blockSize * format.blockBytes, alignment: 64)
    for i in bytes.indices { bytes[i] = UInt8(truncatingIfNeeded: i &* 37) & 0x3b }
    return try device.load(
      HostMatrix(rows: rows, columns: columns, format: format, bytes: UnsafeRawBufferPointer(bytes)))
  }

  func linear() throws {
    let rows = 2048
    let (x, y) = (try buffer(rows * 8192), try buffer(rows * 8192))
    for (inputs, outputs) in [(576, 1536), (1536, 576), (576, 576), (576, 192), (2048, 8192)] {
      for format in [WeightFormat.float32, .q8_0, .q4_1, .bfloat16, .q4_K] {
        guard inputs % format.blockSize == 0, inputs < 2048 || format != .q4_1 else { continue }
        let w = try matrix(outputs, inputs, format)
        let flops = 2 * Double(rows) * Double(inputs) * Double(outputs)
        let name = "\(rows)x\(inputs)x\(outputs) \(format.rawValue)"
        report("linear forward \(name)", flops: flops) {
          device.linearForward(y, x: x, weight: w, rows: rows, accumulate: false)
        }
        report("linear backward \(name)", flops: flops) {
          device.linearBackward(x, dy: y, weight: w, rows: rows, accumulate: false)
        }
      }
    }
  }

  func lowRank() throws {
    let (rows, rank) = (2048, 16)
    let (x, y) = (try buffer(rows * 1536), try buffer(rows * 1536))
    let (hidden, a) = (try buffer(rows * rank), try buffer(1536 * rank))
    let (gradient, dHidden) = (try buffer(1536 * rank), try buffer(rows * rank))
    for width in [192, 576, 1536] {
      let flops = 2 * Double(rows) * Double(rank) * Double(width)
      report("low rank down \(rows)x\(width)x\(rank)", flops: flops) {
        device.lowRankDown(hidden, x: x, a: a, rows: rows, inputs: width, rank: rank)
      }
      report("low rank up \(rows)x\(rank)x\(width)", flops: flops) {
        device.lowRankUp(
          y, hidden: hidden, b: a, rows: rows, outputs: width, rank: rank, offset: 0, stride: rank,
          scale: 1e-3)
      }
      report("low rank up backward \(rows)x\(rank)x\(width)", flops: 2 * flops) {
        device.lowRankUpBackward(
          dHidden: dHidden, dB: gradient, dy: y, hidden: hidden, b: a, rows: rows, outputs: width,
          rank: rank, offset: 0, stride: rank, scale: 1e-3, accumulate: false)
      }
      report("low rank down backward \(rows)x\(width)x\(rank)", flops: 2 * flops) {
        device.lowRankDownBackward(
          dx: x, dA: gradient, dHidden: dHidden, x: y, a: a, rows: rows, inputs: width, rank: rank)
      }
    }
  }

  /// FLOPs of the causal half only: what the result needs.
  func attention() throws {
    let (heads, keyValueHeads, headSize) = (9, 3, 64)
    for (count, length) in [(8, 256), (4, 512), (2, 1024), (1, 2048), (1, 4096)] {
      let rows = count * length
      let shape = AttentionShape(
        starts: (0...count).map { Int32($0 * length) }, heads: heads, keyValueHeads: keyValueHeads,
        headSize: headSize, scale: 0.125)
      let q = try buffer(rows * heads * headSize)
      let (out, dOut, dq) = (try buffer(q.count), try buffer(q.count), try buffer(q.count))
      let k = try buffer(rows * keyValueHeads * headSize)
      let (v, dk, dv) = (try buffer(k.count), try buffer(k.count), try buffer(k.count))
      let logSumExp = try buffer(rows * heads)
      let pairs = Double(count) * Double(length) * Double(length + 1) / 2
      let flops = 4 * pairs * Double(heads * headSize)
      report("attention forward \(count)x\(length)", flops: flops) {
        device.attentionForward(out, logSumExp: logSumExp, q: q, k: k, v: v, shape: shape)
      }
      report("attention backward \(count)x\(length)", flops: 2.5 * flops) {
        device.attentionBackward(
          dq: dq, dk: dk, dv: dv, dOut: dOut, out: out, logSumExp: logSumExp, q: q, k: k, v: v,
          shape: shape)
      }
      for buffer in [q, out, dOut, dq, k, v, dk, dv, logSumExp] { device.release(buffer) }
    }
  }

  func loss() throws {
    let (rows, channels, vocabulary) = (2048, 576, 49152)
    let (hidden, dHidden) = (try buffer(rows * channels), try buffer(rows * channels))
    let targets = (0..<rows).map { Int32($0 * 7 % vocabulary) }
    for format in [WeightFormat.float32, .q8_0] {
      let head = try matrix(vocabulary, channels, format)
      let flops = 2 * Double(rows) * Double(channels) * Double(vocabulary)
      for gradient in [false, true] {
        let name = gradient ? "loss and gradient" : "loss"
        report(
          "\(name) \(rows)x\(channels)x\(vocabulary) \(format.rawValue)",
          flops: gradient ? 2 * flops : flops
        ) {
          _ = device.crossEntropy(
            dHidden: gradient ? dHidden : nil, hidden: hidden, head: head, targets: targets,
            softcap: nil, gradientScale: 1)
        }
      }
    }
  }

  func elements() throws {
    let (rows, channels) = (4096, 576)
    let count = rows * 1536
    let (x, y, z) = (try buffer(count), try buffer(count), try buffer(count))
    let (inverse, gain) = (try buffer(rows), try buffer(channels))
    let bytes = Double(4 * rows * channels)
    report("rmsNorm forward", bytes: 2 * bytes) {
      device.rmsNormForward(
        y, inverseRMS: inverse, x: x, gain: gain, rows: rows, channels: channels, epsilon: 1e-5)
    }
    report("rmsNorm backward, adding", bytes: 4 * bytes) {
      device.rmsNormBackward(
        z, dy: y, x: x, gain: gain, inverseRMS: inverse, rows: rows, channels: channels,
        accumulate: true)
    }
    let (cosines, sines) = (try buffer(rows * 32), try buffer(rows * 32))
    report("rotate", bytes: 2 * bytes) {
      device.rotate(
        x, cosines: cosines, sines: sines, rows: rows, heads: 9, headSize: 64, half: 32,
        inverse: false)
    }
    for activation in [GateActivation.silu, .geluTanh] {
      report("gate forward \(activation.rawValue)", bytes: 12 * Double(count)) {
        device.gateForward(y, gate: x, up: z, activation: activation)
      }
      report("gate backward \(activation.rawValue)", bytes: 20 * Double(count)) {
        device.gateBackward(dGate: x, dUp: z, dy: y, gate: x, up: z, activation: activation)
      }
    }
    report("add", bytes: 12 * Double(count)) { device.add(y, x) }
    report("sum of squares", bytes: 4 * Double(count)) { _ = device.sumOfSquares(x) }
    let (p, second) = (try buffer(count), try device.allocate(count, label: "benchmark"))
    report("adamW", bytes: 28 * Double(count)) {
      device.adamW(
        parameter: p, gradient: x, firstMoment: z, secondMoment: second,
        settings: AdamWSettings(
          learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, step: 10))
    }
  }
}

@main enum KernelBenchmarks {
  static func main() throws {
    let arguments = CommandLine.arguments
    let threads = arguments.count > 1 ? Int(arguments[1]) ?? 1 : sysconf(Int32(_SC_NPROCESSORS_ONLN))
    let device = try DeviceCatalog.make("cpu", threads: threads)
    print(device.summary)
    let bench = Bench(
      device: device, threads: threads, word: arguments.count > 2 ? arguments[2] : "")
    try bench.linear()
    try bench.lowRank()
    try bench.attention()
    try bench.loss()
    try bench.elements()
  }
}
