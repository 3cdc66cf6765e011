// SPDX-License-Identifier: Apache-2.0
import Compute

// The decoder, backward: Forward.swift in reverse order. Gradients of LoRA factors add up in
// `lora`; frozen weights get none, and nothing is computed below the lowest adapted stage.

extension Decoder {
  /// Losses of a row whose forward pass has run, and the gradients of
  /// `gradientScale` · Σ nll, added to those of the adapters.
  func backward(_ row: Row, gradientScale: Float) -> [TargetLoss] {
    let count = row.packed.targets.count
    guard count > 0, let lora, let lowest = lora.lowest else { return losses(row) }
    let c = config.hiddenSize
    let scratch = workspace.scratch(.normed, rows: count, width: c)
    let normed = workspace.scratch(.dNormed, rows: count, width: c)
    let inverse = workspace.scratch(.inverseRMS, rows: count, width: 1)
    let dNormed = workspace.scratch(.wide, rows: count, width: c)
    let before = targetStates(row, scratch: scratch, normed: normed, inverse: inverse)
    let losses = profile.measure(.loss) {
      device.crossEntropy(
        dHidden: dNormed, hidden: normed, head: weights.head, targets: row.packed.targets,
        softcap: config.logitSoftcap, gradientScale: gradientScale)
    }

    let dTargets =
      row.narrowsTop ? workspace.scratch(.dResidual, rows: count, width: c) : normed
    normBackward(
      dTargets, dy: dNormed, x: before, gain: weights.finalNorm, inverse: inverse, rows: count,
      channels: c, accumulate: false)
    let dResidual = workspace.scratch(.dResidual, rows: row.rows, width: c)
    if !row.narrowsTop {
      device.fill(dResidual, with: 0)
      device.scatterAddRows(dResidual, values: dTargets, rows: row.packed.targetRows, columns: c)
    }

    for layer in stride(from: config.layerCount - 1, through: lowest.layer, by: -1) {
      let kept = workspace.plan.part(layer)
      if kept == .input { forwardAttention(layer, row) }
      if kept != .all { forwardUpper(layer, row, isRecomputed: true) }
      let isLast = layer == lowest.layer
      backwardLayer(layer, row, dResidual: dResidual, lowest: isLast ? lowest.stage : nil)
    }
    return losses
  }

  /// Gradients of one layer.
  ///
  /// - Parameters:
  ///   - dResidual: (N, C), the gradient of the layer's output; becomes that of its input. Where the
  ///     last layer computes target rows only, its first M rows are the former.
  ///   - lowest: in the lowest adapted layer, the stage at which to stop.
  private func backwardLayer(_ layer: Int, _ row: Row, dResidual: Buffer, lowest: Stage?) {
    let upper = row.upperRows(layer, of: config.layerCount)
    let width = config.headCount * config.headSize
    let dUpper = dResidual.slice(at: 0, count: upper * config.hiddenSize)
    guard feedForwardBackward(layer, row, dResidual: dUpper, lowest: lowest),
      attentionOutputBackward(layer, row, dResidual: dUpper, lowest: lowest)
    else { return }
    var dAttended = workspace.scratch(.dWide, rows: upper, width: width)
    if upper < row.rows {
      dAttended = spread(dAttended, row, into: .wide, width: width)
      device.copy(dUpper, to: workspace.scratch(.normed, rows: upper, width: config.hiddenSize))
      _ = spread(
        workspace.scratch(.normed, rows: upper, width: config.hiddenSize), row, into: .dResidual,
        width: config.hiddenSize)
    }
    attentionInputBackward(
      layer, row, dResidual: dResidual, dAttended: dAttended,
      isEnd: lowest == .attentionInput)
  }

  /// Rows of targets at their places among all rows, zeros elsewhere.
  private func spread(
    _ values: Buffer, _ row: Row, into kind: Workspace.Scratch, width: Int
  ) -> Buffer {
    let all = workspace.scratch(kind, rows: row.rows, width: width)
    device.fill(all, with: 0)
    device.scatterAddRows(all, values: values, rows: row.packed.targetRows, columns: width)
    return all
  }

  /// The second half of a layer. Returns false if nothing below it is adapted.
  private func feedForwardBackward(
    _ layer: Int, _ row: Row, dResidual: Buffer, lowest: Stage?
  ) -> Bool {
    let saved = workspace.activations(layer, row)
    let frozen = weights.layers[layer]
    let (n, c) = (row.upperRows(layer, of: config.layerCount), config.hiddenSize)
    let normed = workspace.scratch(.normed, rows: n, width: c)
    let dNormed = workspace.scratch(.dNormed, rows: n, width: c)
    func continues(below stage: Stage) -> Bool { lowest.map { $0 < stage } ?? true }

    // output = middle + [norm](down(gated))
    var dResult = dResidual
    if let resultNorm = frozen.feedForwardResultNorm {
      dResult = normed
      normBackward(
        dResult, dy: dResidual, x: saved[.feedForwardResult], gain: resultNorm,
        inverse: saved[.feedForwardResultInverseRMS], rows: n, channels: c, accumulate: false)
    }
    let dGated = workspace.scratch(.dWide, rows: n, width: config.intermediateSize)
    linearBackward(
      layer, .feedForwardOutput, rows: n,
      dx: continues(below: .feedForwardOutput) ? dGated : nil, x: { gated(saved, rows: n) },
      hidden: saved[.feedForwardOutputHidden], outputs: [(.down, dResult)])
    guard continues(below: .feedForwardOutput) else { return false }

    // gated = activation(gate) · up; the gradients take the place of the values.
    device.gateBackward(
      dGate: saved[.gate], dUp: saved[.up], dy: dGated, gate: saved[.gate], up: saved[.up],
      activation: config.activation)
    linearBackward(
      layer, .feedForwardInput, rows: n,
      dx: continues(below: .feedForwardInput) ? dNormed : nil,
      x: {
        norm(
          normed, inverse: saved[.middleInverseRMS], x: saved[.middle],
          gain: frozen.feedForwardNorm, rows: n, channels: c)
        return normed
      }, hidden: saved[.feedForwardInputHidden],
      outputs: [(.gate, saved[.gate]), (.up, saved[.up])])
    guard continues(below: .feedForwardInput) else { return false }
    normBackward(
      dResidual, dy: dNormed, x: saved[.middle], gain: frozen.feedForwardNorm,
      inverse: saved[.middleInverseRMS], rows: n, channels: c, accumulate: true)
    return true
  }

  /// The output projection of attention; leaves the gradient of its input in the scratch `dWide`.
  /// Returns false if nothing below it is adapted.
  private func attentionOutputBackward(
    _ layer: Int, _ row: Row, dResidual: Buffer, lowest: Stage?
  ) -> Bool {
    let saved = workspace.activations(layer, row)
    let frozen = weights.layers[layer]
    let (n, c) = (row.upperRows(layer, of: config.layerCount), config.hiddenSize)
    // middle = input + [norm](output(attended))
    var dResult = dResidual
    if let resultNorm = frozen.attentionResultNorm {
      dResult = workspace.scratch(.normed, rows: n, width: c)
      normBackward(
        dResult, dy: dResidual, x: saved[.attentionResult], gain: resultNorm,
        inverse: saved[.attentionResultInverseRMS], rows: n, channels: c, accumulate: false)
    }
    let width = config.headCount * config.headSize
    let dAttended = workspace.scratch(.dWide, rows: n, width: width)
    let isEnd = lowest == .attentionOutput
    linearBackward(
      layer, .attentionOutput, rows: n, dx: isEnd ? nil : dAttended,
      x: { upperAttended(layer, row, saved) }, hidden: saved[.attentionOutputHidden],
      outputs: [(.output, dResult)])
    return !isEnd
  }

  /// Attention, its input projections and its norm, over all rows.
  ///
  /// - Parameter isEnd: nothing below the projections is adapted.
  private func attentionInputBackward(
    _ layer: Int, _ row: Row, dResidual: Buffer, dAttended: Buffer, isEnd: Bool
  ) {
    let saved = workspace.activations(layer, row)
    let frozen = weights.layers[layer]
    let (n, c) = (row.rows, config.hiddenSize)
    let normed = workspace.scratch(.normed, rows: n, width: c)
    let dNormed = workspace.scratch(.dNormed, rows: n, width: c)
    let (dQuery, dKey, dValue) = attentionBackward(layer, row, saved, dAttended: dAttended)
    let input = workspace.residual(layer, rows: n)
    linearBackward(
      layer, .attentionInput, rows: n, dx: isEnd ? nil : dNormed,
      x: {
        norm(
          normed, inverse: saved[.inputInverseRMS], x: input, gain: frozen.attentionNorm,
          rows: n, channels: c)
        return normed
      }, hidden: saved[.attentionInputHidden],
      outputs: [(.query, dQuery), (.key, dKey), (.value, dValue)])
    if isEnd { return }
    normBackward(
      dResidual, dy: dNormed, x: input, gain: frozen.attentionNorm,
      inverse: saved[.inputInverseRMS], rows: n, channels: c, accumulate: true)
  }

  /// Gradients of the projected query, key and value.
  private func attentionBackward(
    _ layer: Int, _ row: Row, _ saved: LayerActivations, dAttended: Buffer
  ) -> (query: Buffer, key: Buffer, value: Buffer) {
    let n = row.rows
    let keyValueWidth = config.keyValueHeadCount * config.headSize
    let dQuery = workspace.scratch(.dQuery, rows: n, width: config.headCount * config.headSize)
    let dKey = workspace.scratch(.dKey, rows: n, width: keyValueWidth)
    let dValue = workspace.scratch(.dValue, rows: n, width: keyValueWidth)
    profile.measure(.attention) {
      device.attentionBackward(
        dq: dQuery, dk: dKey, dv: dValue, dOut: dAttended, out: saved[.attended],
        logSumExp: saved[.logSumExp], q: saved[.query], k: saved[.key], v: saved[.value],
        shape: attentionShape(layer, row))
    }
    rotate(layer, row, query: dQuery, key: dKey, inverse: true)
    guard let queryNorm = weights.layers[layer].queryNorm,
      let keyNorm = weights.layers[layer].keyNorm
    else { return (dQuery, dKey, dValue) }
    // Query and key have served; their buffers take the gradients before the head norms.
    normBackward(
      saved[.query], dy: dQuery, x: saved[.rawQuery], gain: queryNorm,
      inverse: saved[.queryInverseRMS], rows: n * config.headCount, channels: config.headSize,
      accumulate: false)
    normBackward(
      saved[.key], dy: dKey, x: saved[.rawKey], gain: keyNorm,
      inverse: saved[.keyInverseRMS], rows: n * config.keyValueHeadCount,
      channels: config.headSize, accumulate: false)
    return (saved[.query], saved[.key], dValue)
  }

  /// The gated product, computed again.
  private func gated(_ saved: LayerActivations, rows: Int) -> Buffer {
    let gated = workspace.scratch(.wide, rows: rows, width: config.intermediateSize)
    device.gateForward(
      gated, gate: saved[.gate], up: saved[.up], activation: config.activation)
    return gated
  }
}
