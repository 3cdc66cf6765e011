// SPDX-License-Identifier: Apache-2.0
import Compute

// The decoder, forward: a list of device calls. Shapes as in Compute/Device.swift.

extension Decoder {
  /// Runs all layers. The last hidden states are then in `workspace.residual(layerCount)`, and what
  /// the backward pass needs in the workspace.
  func forward(_ row: Row) {
    device.embed(
      workspace.residual(0, rows: row.rows), tokens: row.packed.tokens, table: weights.embedding,
      scale: config.embeddingScale)
    for layer in 0..<config.layerCount {
      forwardLayer(layer, row)
    }
  }

  /// x + attention(norm(x)), then + feedForward(norm(·)).
  func forwardLayer(_ layer: Int, _ row: Row) {
    forwardAttention(layer, row)
    forwardUpper(layer, row)
  }

  /// The first half of a layer: attended = attention(norm(x)).
  func forwardAttention(_ layer: Int, _ row: Row) {
    let saved = workspace.activations(layer, row)
    let input = workspace.residual(layer, rows: row.rows)
    let frozen = weights.layers[layer]
    let (n, c) = (row.rows, config.hiddenSize)
    let normed = workspace.scratch(.normed, rows: n, width: c)
    norm(
      normed, inverse: saved[.inputInverseRMS], x: input, gain: frozen.attentionNorm, rows: n,
      channels: c)
    attention(layer, row, saved, normed: normed)
  }

  /// Between the halves: middle = x + output(attended).
  ///
  /// In the last layer `middle`, and all that follows from it, has the target rows only where
  /// ``Row/narrowsTop`` says so: no other row of the last hidden states is asked for.
  private func forwardMiddle(_ layer: Int, _ row: Row, _ saved: LayerActivations) {
    let input = workspace.residual(layer, rows: row.rows)
    let frozen = weights.layers[layer]
    let (n, c) = (row.rows, config.hiddenSize)
    let upper = row.upperRows(layer, of: config.layerCount)
    let attended = upperAttended(layer, row, saved)
    if upper < n {
      device.gatherRows(saved[.middle], x: input, rows: row.packed.targetRows, columns: c)
    } else {
      device.copy(input, to: saved[.middle])
    }
    if let resultNorm = frozen.attentionResultNorm {
      let result = saved[.attentionResult]
      linear(
        layer, .attentionOutput, rows: upper, x: attended,
        hidden: saved[.attentionOutputHidden], outputs: [(.output, result)])
      let normed = workspace.scratch(.normed, rows: upper, width: c)
      norm(
        normed, inverse: saved[.attentionResultInverseRMS], x: result, gain: resultNorm,
        rows: upper, channels: c)
      device.add(saved[.middle], normed)
    } else {
      linear(
        layer, .attentionOutput, rows: upper, x: attended,
        hidden: saved[.attentionOutputHidden], outputs: [(.output, saved[.middle])], adds: true)
    }
  }

  /// What attention returned, at the rows that the rest of the layer computes.
  func upperAttended(_ layer: Int, _ row: Row, _ saved: LayerActivations) -> Buffer {
    let upper = row.upperRows(layer, of: config.layerCount)
    guard upper < row.rows else { return saved[.attended] }
    let width = config.headCount * config.headSize
    let attended = workspace.scratch(.wide, rows: upper, width: width)
    device.gatherRows(
      attended, x: saved[.attended], rows: row.packed.targetRows, columns: width)
    return attended
  }

  /// The second half of a layer: middle = x + output(attended), then + feedForward(norm(middle)).
  ///
  /// - Parameter isRecomputed: the backward pass wants the activations again, not the result.
  func forwardUpper(_ layer: Int, _ row: Row, isRecomputed: Bool = false) {
    let saved = workspace.activations(layer, row)
    forwardMiddle(layer, row, saved)
    let frozen = weights.layers[layer]
    let (n, c) = (row.upperRows(layer, of: config.layerCount), config.hiddenSize)
    let output = workspace.residual(layer + 1, rows: n)
    let normed = workspace.scratch(.normed, rows: n, width: c)
    norm(
      normed, inverse: saved[.middleInverseRMS], x: saved[.middle],
      gain: frozen.feedForwardNorm, rows: n, channels: c)
    linear(
      layer, .feedForwardInput, rows: n, x: normed, hidden: saved[.feedForwardInputHidden],
      outputs: [(.gate, saved[.gate]), (.up, saved[.up])])
    let gated = workspace.scratch(.wide, rows: n, width: config.intermediateSize)
    device.gateForward(
      gated, gate: saved[.gate], up: saved[.up], activation: config.activation)
    if !isRecomputed { device.copy(saved[.middle], to: output) }
    if let resultNorm = frozen.feedForwardResultNorm {
      let result = saved[.feedForwardResult]
      linear(
        layer, .feedForwardOutput, rows: n, x: gated, hidden: saved[.feedForwardOutputHidden],
        outputs: [(.down, result)])
      norm(
        normed, inverse: saved[.feedForwardResultInverseRMS], x: result, gain: resultNorm,
        rows: n, channels: c)
      if !isRecomputed { device.add(output, normed) }
    } else {
      linear(
        layer, .feedForwardOutput, rows: n, x: gated, hidden: saved[.feedForwardOutputHidden],
        outputs: isRecomputed ? [] : [(.down, output)], adds: true)
    }
  }

  /// softmax(scale · rope(q) · rope(k)ᵀ) · v, from the normed input.
  private func attention(
    _ layer: Int, _ row: Row, _ saved: LayerActivations, normed: Buffer
  ) {
    let n = row.rows
    let (query, key) = (saved[.query], saved[.key])
    let hasHeadNorms = config.hasHeadNorms
    linear(
      layer, .attentionInput, rows: n, x: normed, hidden: saved[.attentionInputHidden],
      outputs: [
        (.query, hasHeadNorms ? saved[.rawQuery] : query),
        (.key, hasHeadNorms ? saved[.rawKey] : key), (.value, saved[.value]),
      ])
    if let queryNorm = weights.layers[layer].queryNorm,
      let keyNorm = weights.layers[layer].keyNorm
    {
      norm(
        query, inverse: saved[.queryInverseRMS], x: saved[.rawQuery], gain: queryNorm,
        rows: n * config.headCount, channels: config.headSize)
      norm(
        key, inverse: saved[.keyInverseRMS], x: saved[.rawKey], gain: keyNorm,
        rows: n * config.keyValueHeadCount, channels: config.headSize)
    }
    rotate(layer, row, query: query, key: key, inverse: false)
    if let cache {
      cache.append(
        layer, keys: device.read(key), values: device.read(saved[.value]),
        starts: row.packed.starts)
      if cache.isStep {
        let attended = cache.attend(layer, query: device.read(query))
        attended.withUnsafeBufferPointer { device.write($0, to: saved[.attended]) }
        return
      }
    }
    profile.measure(.attention) {
      device.attentionForward(
        saved[.attended], logSumExp: saved[.logSumExp], q: query, k: key, v: saved[.value],
        shape: attentionShape(layer, row))
    }
  }

  /// The states of the rows that predict a target before the last norm, (M, C), and after it.
  ///
  /// - Parameter scratch: (M, C), where `before` stands unless the last layer left it alone.
  func targetStates(
    _ row: Row, scratch: Buffer, normed: Buffer, inverse: Buffer
  ) -> Buffer {
    let rows = row.packed.targetRows
    var before = workspace.residual(config.layerCount, rows: rows.count)
    if !row.narrowsTop {
      device.gatherRows(
        scratch, x: workspace.residual(config.layerCount, rows: row.rows), rows: rows,
        columns: config.hiddenSize)
      before = scratch
    }
    norm(
      normed, inverse: inverse, x: before, gain: weights.finalNorm, rows: rows.count,
      channels: config.hiddenSize)
    return before
  }

  /// Losses of the targets of a row whose forward pass has run.
  func losses(_ row: Row) -> [TargetLoss] {
    let count = row.packed.targets.count
    if count == 0 { return [] }
    let normed = workspace.scratch(.dNormed, rows: count, width: config.hiddenSize)
    _ = targetStates(
      row, scratch: workspace.scratch(.normed, rows: count, width: config.hiddenSize),
      normed: normed, inverse: workspace.scratch(.inverseRMS, rows: count, width: 1))
    return profile.measure(.loss) {
      device.crossEntropy(
        dHidden: nil, hidden: normed, head: weights.head, targets: row.packed.targets,
        softcap: config.logitSoftcap, gradientScale: 0)
    }
  }
}
