// SPDX-License-Identifier: Apache-2.0
import Compute

extension OperationCatalog {
  /// DoRA: norms of adapted rows in files of several formats, gains and their gradients.
  static let decomposition: [OperationCase] =
    [WeightFormat.float32, .bfloat16, .q4_K].flatMap { format in
      [(256, 65, 3), (512, 411, 16)].map { inputs, outputs, rank in
        OperationCase(name: "decompose \(inputs)x\(outputs)x\(rank) \(format.rawValue)") { m in
          var noise = Noise(21)
          let weight = try m.noiseMatrix(
            rows: outputs + 7, columns: inputs, format: format, seed: 22
          ).rows(7..<outputs + 7)
          let a = try m.buffer(noise.values(rank * inputs))
          let b = try m.buffer(noise.values(outputs * rank))
          let magnitude = try m.buffer(noise.values(outputs))
          let (gain, norms) = (try m.zeros(outputs), try m.zeros(outputs))
          m.device.decompose(
            gain: gain, norms: norms, magnitude: magnitude, weight: weight, a: a, b: b, rank: rank,
            scale: 0.7)
          return [gain, norms].map(m.device.read)
        }
      }
    }
    + [(0, 8), (1, 33), (67, 411), (300, 64)].map { rows, columns in
      OperationCase(name: "scaleColumns and magnitude \(rows)x\(columns)") { m in
        var noise = Noise(23)
        let (x, y) = (
          try m.buffer(noise.values(rows * columns)), try m.buffer(noise.values(rows * columns))
        )
        let factors = try m.buffer(noise.values(columns))
        m.device.scaleColumns(
          y, x: x, by: factors, rows: rows, columns: columns, accumulate: true)
        m.device.scaleColumns(
          x, x: x, by: factors, rows: rows, columns: columns, accumulate: false)
        let sums = try m.buffer(noise.values(columns))
        var lengths = noise.values(columns).map { abs($0) + 0.1 }
        lengths[0] = 0
        m.device.magnitudeBackward(
          sums, dy: x, z: y, norms: try m.buffer(lengths), rows: rows, columns: columns)
        return [x, y, sums].map(m.device.read)
      }
    }
}
