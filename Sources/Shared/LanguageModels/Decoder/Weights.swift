// SPDX-License-Identifier: Apache-2.0
package import Compute

/// The frozen tensors of one decoder layer, on a device.
struct LayerWeights {
  var attentionNorm: Buffer
  var feedForwardNorm: Buffer
  /// Norms of what attention and feed-forward return, with sandwich norms.
  var attentionResultNorm: Buffer?
  var feedForwardResultNorm: Buffer?
  /// Norms of query and key heads (headSize), with head norms.
  var queryNorm: Buffer?
  var keyNorm: Buffer?
  /// (outputs, inputs) by ``Projection``.
  var matrices: [Matrix]
  /// (outputs) by ``Projection``; nil where there is none.
  var biases: [Buffer?]
}

/// All frozen tensors of a model, on a device. Every tensor of the store has a place here, or the
/// store is refused.
package final class DecoderWeights {
  let embedding: Matrix
  /// The output head; the embedding itself where they are tied.
  let head: Matrix
  let finalNorm: Buffer
  let layers: [LayerWeights]
  /// Keeps the bytes mapped that the device reads.
  private let store: TensorStore

  /// - Throws: ``ModelError/missingTensor(path:name:)``, ``ModelError/wrongShape(path:tensor:expected:found:)``,
  ///   ``ModelError/unexpectedTensor(path:name:)``, ``ModelError/device(_:)``.
  package init(
    config: DecoderConfig, store: TensorStore, device: any Device
  ) throws(ModelError) {
    var loader = WeightLoader(config: config, store: store, device: device)
    embedding = try loader.matrix(
      "model.embed_tokens.weight", rows: config.vocabularySize, columns: config.hiddenSize)
    // The head has no bias: what scales logits may as well scale what it reads.
    finalNorm = try loader.norm(
      "model.norm.weight", count: config.hiddenSize, scale: config.logitScale)
    if config.hasTiedHead {
      head = embedding
      loader.ignore("lm_head.weight")
    } else {
      head = try loader.matrix(
        "lm_head.weight", rows: config.vocabularySize, columns: config.hiddenSize)
    }
    var layers: [LayerWeights] = []
    for layer in 0..<config.layerCount {
      layers.append(try loader.layer("model.layers.\(layer)."))
    }
    self.layers = layers
    self.store = store
    try loader.refuseUnused()
  }
}

/// Takes tensors out of a store and counts them off.
struct WeightLoader {
  let config: DecoderConfig
  let store: TensorStore
  let device: any Device
  private var used: Set<String> = []

  init(config: DecoderConfig, store: TensorStore, device: any Device) {
    self.config = config
    self.store = store
    self.device = device
  }

  mutating func layer(_ prefix: String) throws(ModelError) -> LayerWeights {
    let hidden = config.hiddenSize
    let sandwich = config.hasSandwichNorms
    // With sandwich norms `post_attention_layernorm` is what its name says; without, it is the norm
    // before the feed-forward part.
    let attentionNorm = try norm(prefix + "input_layernorm.weight", count: hidden)
    let second = try norm(prefix + "post_attention_layernorm.weight", count: hidden)
    var weights = LayerWeights(
      attentionNorm: attentionNorm, feedForwardNorm: second, matrices: [],
      biases: Array(repeating: nil, count: Projection.allCases.count))
    if sandwich {
      weights.attentionResultNorm = second
      weights.feedForwardNorm = try norm(
        prefix + "pre_feedforward_layernorm.weight", count: hidden)
      weights.feedForwardResultNorm = try norm(
        prefix + "post_feedforward_layernorm.weight", count: hidden)
    }
    if config.hasHeadNorms {
      weights.queryNorm = try norm(prefix + "self_attn.q_norm.weight", count: config.headSize)
      weights.keyNorm = try norm(prefix + "self_attn.k_norm.weight", count: config.headSize)
    }
    ignore(prefix + "self_attn.rotary_emb.inv_freq")
    var matrices = [Matrix?](repeating: nil, count: Projection.allCases.count)
    for module in config.modules {
      let name = prefix + module.name
      let whole = try matrix(
        name + ".weight", rows: module.outputs, columns: config.inputs(of: module.stage))
      let bias = module.hasBias ? try vector(name + ".bias", count: module.outputs) : nil
      var row = 0
      for part in module.parts {
        matrices[part.projection.rawValue] = whole.rows(row..<row + part.rows)
        weights.biases[part.projection.rawValue] = bias?.slice(at: row, count: part.rows)
        row += part.rows
      }
    }
    weights.matrices = matrices.compactMap { $0 }
    precondition(weights.matrices.count == matrices.count, "a family names all projections")
    return weights
  }

  mutating func matrix(
    _ name: String, rows: Int, columns: Int
  ) throws(ModelError) -> Matrix {
    let host = try store.matrix(name, rows: rows, columns: columns)
    used.insert(name)
    do { return try device.load(host) } catch { throw .device(error) }
  }

  /// A norm's gain: the stored weight and the family's offset, times `scale`.
  mutating func norm(
    _ name: String, count: Int, scale: Float = 1
  ) throws(ModelError) -> Buffer {
    let offset = config.normOffset + store.normCorrection
    let values = try store.vector(name, count: count).map { ($0 + offset) * scale }
    return try buffer(values, name: name)
  }

  mutating func vector(_ name: String, count: Int) throws(ModelError) -> Buffer {
    try buffer(try store.vector(name, count: count), name: name)
  }

  /// A tensor that some files carry and that the decoder does not need.
  mutating func ignore(_ name: String) { used.insert(name) }

  func refuseUnused() throws(ModelError) {
    for tensor in store.tensors where !used.contains(tensor.name) {
      throw .unexpectedTensor(path: store.path, name: tensor.name)
    }
  }

  private mutating func buffer(_ values: [Float], name: String) throws(ModelError) -> Buffer {
    used.insert(name)
    do {
      let buffer = try device.allocate(values.count, label: name)
      values.withUnsafeBufferPointer { device.write($0, to: buffer) }
      return buffer
    } catch {
      throw .device(error)
    }
  }
}
