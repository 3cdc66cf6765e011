// SPDX-License-Identifier: Apache-2.0
import Compute

extension OperationCatalog {
  /// Every format; rows in file order and interleaved by heads; a view of some rows.
  static let linear: [OperationCase] =
    WeightFormat.allCases.flatMap { format in
      [(1, 512, 96), (67, 256, 411), (0, 256, 8)].map { rows, inputs, outputs in
        linearCase(rows: rows, inputs: inputs, outputs: outputs, format: format)
      }
    }
    + [.float32, .q8_0, .float16].flatMap { format in
      [
        linearCase(
          rows: 33, inputs: 96, outputs: 120, format: format,
          order: .interleavedHeads(headSize: 24)),
        linearCase(
          rows: 33, inputs: 96, outputs: 120, format: format,
          order: .interleavedHeads(headSize: 24), view: 24..<101),
        linearCase(rows: 1100, inputs: 96, outputs: 800, format: format),
        // More than one weight panel.
        linearCase(rows: 5, inputs: 2048, outputs: 2600, format: format),
      ]
    }

  private static func linearCase(
    rows: Int, inputs: Int, outputs: Int, format: WeightFormat, order: RowOrder = .natural,
    view: Range<Int>? = nil
  ) -> OperationCase {
    let place = view.map { " rows \($0)" } ?? ""
    let name = "linear \(rows)x\(inputs)x\(outputs) \(format.rawValue) \(order)\(place)"
    return OperationCase(name: name) { m in
      var noise = Noise(10)
      var weight = try m.noiseMatrix(
        rows: outputs, columns: inputs, format: format, order: order, seed: 11)
      if let view { weight = weight.rows(view) }
      let (x, dy) = (
        try m.buffer(noise.values(rows * inputs)), try m.buffer(noise.values(rows * weight.rows))
      )
      var results: [Buffer] = []
      for (accumulate, rank) in [(false, nil), (true, nil), (false, 16), (true, 5)] {
        let y = try m.buffer(noise.values(rows * weight.rows))
        let dx = try m.buffer(noise.values(rows * inputs))
        let (up, down) = try rank.map { rank in
          (
            LowRankTerm(
              hidden: try m.buffer(noise.values(rows * (rank + 7))), stride: rank + 7, offset: 3,
              rank: rank, factor: try m.buffer(noise.values(weight.rows * rank)), scale: 0.7),
            LowRankTerm(
              hidden: try m.buffer(noise.values(rows * rank)), stride: rank, rank: rank,
              factor: try m.buffer(noise.values(rank * inputs)))
          )
        } ?? (nil, nil)
        m.device.linearForward(
          y, x: x, weight: weight, rows: rows, accumulate: accumulate, plus: up)
        m.device.linearBackward(
          dx, dy: dy, weight: weight, rows: rows, accumulate: accumulate, plus: down)
        results += [y, dx]
      }
      let tokens = noise.integers(min(rows, 9), below: weight.rows)
      let embedded = try m.zeros(tokens.count * inputs)
      m.device.embed(embedded, tokens: tokens, table: weight, scale: 1.5)
      return (results + [embedded]).map(m.device.read)
    }
  }

  static let lowRank: [OperationCase] =
    [(0, 96, 40), (1, 96, 33), (67, 80, 411), (300, 576, 192)].flatMap { rows, inputs, outputs in
      [(4, 0, 4), (16, 16, 48), (3, 5, 9)].map { rank, offset, stride in
        OperationCase(name: "lowRank \(rows)x\(inputs)x\(outputs) \(rank)+\(offset)/\(stride)") { m in
          var noise = Noise(12)
          let x = try m.buffer(noise.values(rows * inputs))
          let a = try m.buffer(noise.values(stride * inputs))
          let b = try m.buffer(noise.values(outputs * rank))
          let dy = try m.buffer(noise.values(rows * outputs))
          let hidden = try m.zeros(rows * stride)
          m.device.lowRankDown(hidden, x: x, a: a, rows: rows, inputs: inputs, rank: stride)
          let dHidden = try m.buffer(noise.values(rows * stride))
          let dB = try m.buffer(noise.values(outputs * rank))
          for (dB, accumulate) in [(Buffer?.some(dB), false), (nil, true)] {
            m.device.lowRankUpBackward(
              dHidden: dHidden, dB: dB, dy: dy, hidden: hidden, b: b, rows: rows, outputs: outputs,
              rank: rank, offset: offset, stride: stride, scale: 0.7, accumulate: accumulate)
          }
          let dA = try m.buffer(noise.values(stride * inputs))
          let dx = try m.buffer(noise.values(rows * inputs))
          m.device.lowRankDownBackward(
            dA: dA, dHidden: dHidden, x: x, rows: rows, inputs: inputs, rank: stride)
          m.device.lowRankInput(
            dx, LowRankTerm(hidden: dHidden, stride: stride, rank: stride, factor: a, scale: 0.7),
            rows: rows, inputs: inputs)
          return [hidden, dHidden, dB, dA, dx].map(m.device.read)
        }
      }
    }
}
