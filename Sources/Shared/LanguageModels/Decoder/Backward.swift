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
    let raw = workspace.scratch(.normed, rows: count, width: c)
    let normed = workspace.scratch(.dNormed, rows: count, width: c)
    let inverse = workspace.scratch(.inverseRMS, rows: count, width: 1)
    let dNormed = workspace.scratch(.wide, rows: count, width: c)
    targetStates(row, raw: raw, normed: normed, inverse: inverse)
    let losses = device.crossEntropy(
      dHidden: dNormed, hidden: normed, head: weights.head, targets: row.packed.targets,
      softcap: config.logitSoftcap, gradientScale: gradientScale)

    // `normed` has served; its buffer takes the gradient of the states before the norm.
    let dRaw = normed
    normBackward(
      dRaw, dy: dNormed, x: raw, gain: weights.finalNorm, inverse: inverse, rows: count,
      channels: c, accumulate: false)
    let dResidual = workspace.scratch(.dResidual, rows: row.rows, width: c)
    device.fill(dResidual, with: 0)
    device.scatterAddRows(dResidual, values: dRaw, rows: row.packed.targetRows, columns: c)

    for layer in stride(from: config.layerCount - 1, through: lowest.layer, by: -1) {
      if !workspace.isKept(layer) { forwardLayer(layer, row, isRecomputed: true) }
      let isLast = layer == lowest.layer
      backwardLayer(layer, row, dResidual: dResidual, lowest: isLast ? lowest.stage : nil)
    }
    return losses
  }

  /// Gradients of one layer.
  ///
  /// - Parameters:
  ///   - dResidual: (N, C), the gradient of the layer's output; becomes that of its input.
  ///   - lowest: in the lowest adapted layer, the stage at which to stop.
  private func backwardLayer(_ layer: Int, _ row: Row, dResidual: Buffer, lowest: Stage?) {
    let saved = workspace.activations(layer, rows: row.rows)
    let frozen = weights.layers[layer]
    let (n, c) = (row.rows, config.hiddenSize)
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
    guard continues(below: .feedForwardOutput) else { return }

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
    guard continues(below: .feedForwardInput) else { return }
    normBackward(
      dResidual, dy: dNormed, x: saved[.middle], gain: frozen.feedForwardNorm,
      inverse: saved[.middleInverseRMS], rows: n, channels: c, accumulate: true)

    // middle = input + [norm](output(attended))
    dResult = dResidual
    if let resultNorm = frozen.attentionResultNorm {
      dResult = normed
      normBackward(
        dResult, dy: dResidual, x: saved[.attentionResult], gain: resultNorm,
        inverse: saved[.attentionResultInverseRMS], rows: n, channels: c, accumulate: false)
    }
    let width = config.headCount * config.headSize
    let dAttended = workspace.scratch(.dWide, rows: n, width: width)
    linearBackward(
      layer, .attentionOutput, rows: n, dx: continues(below: .attentionOutput) ? dAttended : nil,
      x: { saved[.attended] }, hidden: saved[.attentionOutputHidden],
      outputs: [(.output, dResult)])
    guard continues(below: .attentionOutput) else { return }
    let (dQuery, dKey, dValue) = attentionBackward(layer, row, saved, dAttended: dAttended)
    let isEnd = !continues(below: .attentionInput)
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
    device.attentionBackward(
      dq: dQuery, dk: dKey, dv: dValue, dOut: dAttended, out: saved[.attended],
      logSumExp: saved[.logSumExp], q: saved[.query], k: saved[.key], v: saved[.value],
      shape: attentionShape(layer, row))
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
