// SPDX-License-Identifier: Apache-2.0
import Compute

// A frozen linear map with its adapter: y = x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ, where the maps that share an
// input share the product x·Aᵀ. With DoRA (Liu et al. 2024, https://arxiv.org/abs/2402.09353)
// y = g ⊙ (x·Wᵀ + s·(x·Aᵀ)·Bᵀ) + b, g = magnitude / ‖W + s·B·A‖ by rows, the norm without a gradient.

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
      let input = dropped(x, layer, stage, rows: rows, width: group.inputs)
      profile.measure(.adapters) {
        device.lowRankDown(
          hidden, x: input, a: group.a, rows: rows, inputs: group.inputs, rank: group.rank)
      }
    }
    for (projection, y) in outputs {
      let matrix = frozen.matrices[projection.rawValue]
      if let part = group?.part(projection), let lengths = part.lengths {
        let z = adds ? workspace.scratch(.product, rows: rows, width: matrix.rows) : y
        adapted(z, part, layer: layer, rows: rows, x: x, hidden: hidden)
        device.scaleColumns(
          y, x: z, by: lengths.gain, rows: rows, columns: matrix.rows, accumulate: adds)
        if let bias = frozen.biases[projection.rawValue] {
          device.addBias(y, bias: bias, rows: rows, columns: matrix.rows)
        }
        continue
      }
      let term = group?.part(projection)?.term(hidden, stride: group?.rank ?? 0)
      profile.measure(.products) {
        device.linearForward(y, x: x, weight: matrix, rows: rows, accumulate: adds, plus: term)
      }
      if let bias = frozen.biases[projection.rawValue] {
        device.addBias(y, bias: bias, rows: rows, columns: matrix.rows)
      }
    }
  }

  /// What the A factors of a stage read: x itself, or what dropout leaves of it.
  private func dropped(
    _ x: Buffer, _ layer: Int, _ stage: Stage, rows: Int, width: Int
  ) -> Buffer {
    guard let dropout else { return x }
    let result = workspace.scratch(.dropped, rows: rows, width: width)
    device.dropout(
      result, x: x, places: dropout.places(rows: rows), columns: width,
      mask: dropout.mask(layer: layer, stage: stage), accumulate: false)
    return result
  }

  /// z (N, O) = x·Wᵀ + s·h·Bᵀ, without gain and bias.
  private func adapted(
    _ z: Buffer, _ part: LoRAPart, layer: Int, rows: Int, x: Buffer, hidden: Buffer
  ) {
    device.linearForward(
      z, x: x, weight: weights.layers[layer].matrices[part.projection.rawValue], rows: rows,
      accumulate: false, plus: part.term(hidden, stride: hidden.count / max(1, rows)))
  }

  /// The gradient of z = x·Wᵀ + s·h·Bᵀ where y = g ⊙ z, which it is dy ⊙ g; dMagnitude += Σ dy·z / ‖·‖.
  /// z is computed again: keeping it would cost as much memory as all outputs of the layer.
  private func decomposedBackward(
    _ dy: Buffer, _ part: LoRAPart, _ lengths: RowLengths, layer: Int, rows: Int, x: Buffer,
    hidden: Buffer
  ) -> Buffer {
    let z = workspace.scratch(.product, rows: rows, width: part.outputs)
    adapted(z, part, layer: layer, rows: rows, x: x, hidden: hidden)
    device.magnitudeBackward(
      lengths.dMagnitude, dy: dy, z: z, norms: lengths.norms, rows: rows, columns: part.outputs)
    device.scaleColumns(
      z, x: dy, by: lengths.gain, rows: rows, columns: part.outputs, accumulate: false)
    return z
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
    let group = lora?.group(layer: layer, stage: stage)
    let input = group == nil ? nil : x()
    let dHidden = group.map { workspace.scratch(.dHidden, rows: rows, width: $0.rank) }
    for (index, output) in outputs.enumerated() {
      var dy = output.dy
      let part = group?.part(output.projection)
      if let part, let lengths = part.lengths, let input {
        dy = decomposedBackward(
          dy, part, lengths, layer: layer, rows: rows, x: input, hidden: hidden)
      }
      if let group, let part, let dHidden {
        profile.measure(.adapters) {
          device.lowRankUpBackward(
            dHidden: dHidden, dB: trainsB ? part.dB : nil, dy: dy, hidden: hidden, b: part.b,
            rows: rows, outputs: part.outputs, rank: part.rank, offset: part.offset,
            stride: group.rank, scale: part.scale, accumulate: part.isContinuation)
        }
      }
      guard let dx else { continue }
      // dh is complete with the last projection; under dropout it has its own way to dx.
      var term: LowRankTerm?
      if let group, let dHidden, dropout == nil, index == outputs.count - 1 {
        term = LowRankTerm(
          hidden: dHidden, stride: group.rank, rank: group.rank, factor: group.a)
      }
      profile.measure(.products) {
        device.linearBackward(
          dx, dy: dy, weight: weights.layers[layer].matrices[output.projection.rawValue],
          rows: rows, accumulate: index > 0, plus: term)
      }
    }
    guard let group, let dHidden, let input else { return }
    if trainsA {
      let read = dropped(input, layer, stage, rows: rows, width: group.inputs)
      profile.measure(.adapters) {
        device.lowRankDownBackward(
          dA: group.dA, dHidden: dHidden, x: read, rows: rows, inputs: group.inputs,
          rank: group.rank)
      }
    }
    guard let dropout, let dx else { return }
    let dDropped = workspace.scratch(.dropped, rows: rows, width: group.inputs)
    device.fill(dDropped, with: 0)
    profile.measure(.adapters) {
      device.lowRankInput(
        dDropped,
        LowRankTerm(hidden: dHidden, stride: group.rank, rank: group.rank, factor: group.a),
        rows: rows, inputs: group.inputs)
    }
    device.dropout(
      dx, x: dDropped, places: dropout.places(rows: rows), columns: group.inputs,
      mask: dropout.mask(layer: layer, stage: stage), accumulate: true)
  }
}

extension LoRAPart {
  /// s·h·Bᵀ with h of the stage, (N, `stride`).
  fileprivate func term(_ hidden: Buffer, stride: Int) -> LowRankTerm {
    LowRankTerm(
      hidden: hidden, stride: stride, offset: offset, rank: rank, factor: b, scale: scale)
  }
}

extension LoRAGroup {
  /// The slice that adds to `projection`; nil where that is not adapted.
  func part(_ projection: Projection) -> LoRAPart? {
    parts.first { $0.projection == projection }
  }
}
