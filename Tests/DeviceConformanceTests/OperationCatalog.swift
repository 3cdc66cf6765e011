// SPDX-License-Identifier: Apache-2.0
import Compute
import Testing

/// One operation with inputs of one shape; running it gives all that it wrote.
struct OperationCase: Sendable, CustomTestStringConvertible {
  let name: String
  let run: @Sendable (Machine) throws -> [[Float]]

  var testDescription: String { name }
}

/// Every operation of ``Device`` on shapes that meet no tile size: a new operation adds its cases here
/// and is compared with the reference on every device.
enum OperationCatalog {
  static let all = elements + layers + linear + lowRank + decomposition + attention + loss

  static let elements: [OperationCase] = [0, 1, 17, 40_007].flatMap { count in
    [
      OperationCase(name: "add \(count)") { m in
        var noise = Noise(1)
        let (y, x) = (try m.buffer(noise.values(count)), try m.buffer(noise.values(count)))
        m.device.add(y, x)
        return [m.device.read(y)]
      },
      OperationCase(name: "scale \(count)") { m in
        var noise = Noise(2)
        let x = try m.buffer(noise.values(count))
        m.device.scale(x, by: 0.3)
        return [m.device.read(x)]
      },
      OperationCase(name: "fill and copy \(count)") { m in
        let (x, y) = (try m.zeros(count), try m.zeros(count))
        m.device.fill(x, with: 2.5)
        m.device.copy(x, to: y)
        return [m.device.read(y)]
      },
      OperationCase(name: "sumOfSquares \(count)") { m in
        var noise = Noise(3)
        let x = try m.buffer(noise.values(count))
        return [[Float(m.device.sumOfSquares(x))]]
      },
      OperationCase(name: "adamW \(count)") { m in
        var noise = Noise(4)
        let (p, g) = (try m.buffer(noise.values(count)), try m.buffer(noise.values(count)))
        let (first, second) = (try m.zeros(count), try m.zeros(count))
        for step in 1...3 {
          m.device.adamW(
            parameter: p, gradient: g, firstMoment: first, secondMoment: second,
            settings: AdamWSettings(
              learningRate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1,
              step: step))
        }
        return [p, first, second].map(m.device.read)
      },
    ]
      + [GateActivation.silu, .geluTanh].map { activation in
        OperationCase(name: "gate \(activation.rawValue) \(count)") { m in
          var noise = Noise(5)
          let gate = try m.buffer(noise.values(count, amplitude: 12))
          let (up, dy) = (try m.buffer(noise.values(count)), try m.buffer(noise.values(count)))
          let y = try m.zeros(count)
          m.device.gateForward(y, gate: gate, up: up, activation: activation)
          m.device.gateBackward(
            dGate: gate, dUp: up, dy: dy, gate: gate, up: up, activation: activation)
          return [y, gate, up].map(m.device.read)
        }
      }
  }

  static let layers: [OperationCase] =
    [(0, 8), (1, 96), (3, 576), (67, 97), (300, 33)].flatMap { rows, channels in
      [
        OperationCase(name: "rmsNorm \(rows)x\(channels)") { m in
          var noise = Noise(6)
          let (x, dy) = (
            try m.buffer(noise.values(rows * channels, amplitude: 3)),
            try m.buffer(noise.values(rows * channels))
          )
          let gain = try m.buffer(noise.values(channels))
          let (y, inverse) = (try m.zeros(rows * channels), try m.zeros(rows))
          m.device.rmsNormForward(
            y, inverseRMS: inverse, x: x, gain: gain, rows: rows, channels: channels, epsilon: 1e-5)
          let (dx, dx2) = (try m.zeros(rows * channels), try m.buffer(noise.values(rows * channels)))
          for (dx, accumulate) in [(dx, false), (dx2, true)] {
            m.device.rmsNormBackward(
              dx, dy: dy, x: x, gain: gain, inverseRMS: inverse, rows: rows, channels: channels,
              accumulate: accumulate)
          }
          return [y, inverse, dx, dx2].map(m.device.read)
        },
        OperationCase(name: "addBias \(rows)x\(channels)") { m in
          var noise = Noise(7)
          let (y, bias) = (
            try m.buffer(noise.values(rows * channels)), try m.buffer(noise.values(channels))
          )
          m.device.addBias(y, bias: bias, rows: rows, columns: channels)
          return [m.device.read(y)]
        },
        OperationCase(name: "rows \(rows)x\(channels)") { m in
          var noise = Noise(8)
          let x = try m.buffer(noise.values(rows * channels))
          let chosen = stride(from: Int32(0), to: Int32(rows), by: 3).reversed().map { $0 }
          let out = try m.zeros(chosen.count * channels)
          m.device.gatherRows(out, x: x, rows: chosen, columns: channels)
          m.device.scatterAddRows(x, values: out, rows: chosen, columns: channels)
          return [out, x].map(m.device.read)
        },
      ]
    }
    + [(20, 10), (24, 6), (80, 40), (64, 32)].flatMap { headSize, half in
      [false, true].map { inverse in
        OperationCase(name: "rotate \(headSize)/\(half) inverse \(inverse)") { m in
          var noise = Noise(9)
          let x = try m.buffer(noise.values(67 * 3 * headSize))
          let cosines = try m.buffer(noise.values(67 * half))
          let sines = try m.buffer(noise.values(67 * half))
          m.device.rotate(
            x, cosines: cosines, sines: sines, rows: 67, heads: 3, headSize: headSize, half: half,
            inverse: inverse)
          return [m.device.read(x)]
        }
      }
    }
}
