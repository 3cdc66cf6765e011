// SPDX-License-Identifier: Apache-2.0
import Compute

// A frozen linear map with its adapter: y = x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ, where the maps that share an
// input share the product x·Aᵀ.

extension Decoder {
  /// Computes the projections of a stage from their common input.
  ///
  /// - Parameters:
  ///   - hidden: (N, R), kept for the backward pass: x·Aᵀ of the stage's adapters.
  ///   - outputs: where each projection goes; with `adds` it is added to what is there.
  func linear(
    _ layer: Int, _ stage: Stage, rows: Int, x: Buffer, hidden: Buffer,
    outputs: [(projection: Projection, y: Buffer)], adds: Bool = false
  ) {
    let frozen = weights.layers[layer]
    let group = lora?.group(layer: layer, stage: stage)
    if let group {
      profile.measure(.adapters) {
        device.lowRankDown(
          hidden, x: x, a: group.a, rows: rows, inputs: group.inputs, rank: group.rank)
      }
    }
    for (projection, y) in outputs {
      let matrix = frozen.matrices[projection.rawValue]
      profile.measure(.products) {
        device.linearForward(y, x: x, weight: matrix, rows: rows, accumulate: adds)
      }
      if let bias = frozen.biases[projection.rawValue] {
        device.addBias(y, bias: bias, rows: rows, columns: matrix.rows)
      }
      guard let group else { continue }
      for part in group.parts where part.projection == projection {
        profile.measure(.adapters) {
          device.lowRankUp(
            y, hidden: hidden, b: part.b, rows: rows, outputs: part.outputs, rank: part.rank,
            offset: part.offset, stride: group.rank, scale: part.scale)
        }
      }
    }
  }

  /// Gradients of ``linear(_:_:rows:x:hidden:outputs:adds:)``.
  ///
  /// y = x·Wᵀ + s·h·Bᵀ and h = x·Aᵀ give dh = s·dy·B, dB += s·dyᵀ·h, dA += dhᵀ·x and
  /// dx = dy·W + dh·A; the frozen W and b get none.
  ///
  /// - Parameters:
  ///   - dx: overwritten, or nil at the lowest adapted stage.
  ///   - x: the common input; computed only if the stage has adapters.
  func linearBackward(
    _ layer: Int, _ stage: Stage, rows: Int, dx: Buffer?, x: () -> Buffer, hidden: Buffer,
    outputs: [(projection: Projection, dy: Buffer)]
  ) {
    if let dx {
      for (index, output) in outputs.enumerated() {
        profile.measure(.products) {
          device.linearBackward(
            dx, dy: output.dy, weight: weights.layers[layer].matrices[output.projection.rawValue],
            rows: rows, accumulate: index > 0)
        }
      }
    }
    guard let group = lora?.group(layer: layer, stage: stage) else { return }
    let dHidden = workspace.scratch(.dHidden, rows: rows, width: group.rank)
    for part in group.parts {
      for (projection, dy) in outputs where part.projection == projection {
        profile.measure(.adapters) {
          device.lowRankUpBackward(
            dHidden: dHidden, dB: trainsB ? part.dB : nil, dy: dy, hidden: hidden, b: part.b,
            rows: rows, outputs: part.outputs, rank: part.rank, offset: part.offset,
            stride: group.rank, scale: part.scale, accumulate: part.isContinuation)
        }
      }
    }
    let x = x()
    profile.measure(.adapters) {
      device.lowRankDownBackward(
        dx: dx, dA: trainsA ? group.dA : nil, dHidden: dHidden, x: x, a: group.a, rows: rows,
        inputs: group.inputs, rank: group.rank)
    }
  }
}
