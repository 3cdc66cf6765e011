// SPDX-License-Identifier: Apache-2.0
package import Compute

/// One of the seven linear maps of a decoder layer, whatever the file calls it.
package enum Projection: Int, Sendable, CaseIterable {
  case query, key, value, output, gate, up, down
}

/// What the linear maps of a layer read, in the order in which a layer computes.
package enum Stage: Int, Sendable, CaseIterable, Comparable {
  /// The normed input: query, key, value.
  case attentionInput
  /// What attention returns: output.
  case attentionOutput
  /// The normed middle: gate, up.
  case feedForwardInput
  /// The gated product: down.
  case feedForwardOutput

  package static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
}

/// A linear map as the model's files name it, and as adapters name it.
///
/// Most modules are one projection; a fused one (qkv_proj, gate_up_proj) is several, stacked by rows.
package struct LinearModule: Sendable, Equatable {
  /// Name inside the layer, for example `self_attn.q_proj`.
  package let name: String
  package let stage: Stage
  /// The projections it holds, top row first, with the rows (output features) of each.
  package let parts: [Part]
  package let hasBias: Bool

  /// Consecutive rows of a module that are one projection.
  package struct Part: Sendable, Equatable {
    package let projection: Projection
    package let rows: Int

    package init(projection: Projection, rows: Int) {
      self.projection = projection
      self.rows = rows
    }
  }

  package init(_ name: String, stage: Stage, parts: [Part], hasBias: Bool = false) {
    self.name = name
    self.stage = stage
    self.parts = parts
    self.hasBias = hasBias
  }

  /// Output features of the whole module.
  package var outputs: Int { parts.reduce(0) { $0 + $1.rows } }
}

/// What a decoder computes: sizes and flags. A family maps its settings to this and adds no code.
package struct DecoderConfig: Sendable, Equatable {
  /// `model_type` of the family, for messages and manifests.
  package var family: String
  package var vocabularySize: Int
  package var hiddenSize: Int
  package var intermediateSize: Int
  package var layerCount: Int
  package var headCount: Int
  package var keyValueHeadCount: Int
  package var headSize: Int
  /// Tokens of an example that the model was made for.
  package var maximumContext: Int
  package var normEpsilon: Float
  /// Added to every stored norm weight: 1 where a family stores w and means 1 + w.
  package var normOffset: Float = 0
  /// Factor of the embedding rows.
  package var embeddingScale: Float = 1
  /// The output head is the embedding table.
  package var hasTiedHead: Bool
  package var activation: GateActivation
  /// Factor of q·k.
  package var attentionScale: Float
  /// Attention scores become cap · tanh(score / cap).
  package var attentionSoftcap: Float?
  /// Factor of the logits.
  package var logitScale: Float = 1
  /// Logits become cap · tanh(logit / cap).
  package var logitSoftcap: Float?
  /// Query and key heads are RMS-normed before rope.
  package var hasHeadNorms = false
  /// The results of attention and feed-forward are RMS-normed before they are added.
  package var hasSandwichNorms = false
  /// Keys that a query sees, by layer; nil is all before it.
  package var windows: [Int?]
  /// The kinds of rotary embedding in use.
  package var ropes: [RopeConfig]
  /// Index into ``ropes`` by layer; nil is a layer without positions.
  package var ropeOfLayer: [Int?]
  /// The linear maps of every layer, in the order of computation.
  package var modules: [LinearModule]
  /// Where Hugging Face and PEFT have the layers, in a model that does more than write.
  package var layersPath = "model.layers"
  /// An expression over the paths of such a model's other modules, some of which have names that our
  /// modules have too.
  package var foreignModules: String?

  package init(
    family: String, vocabularySize: Int, hiddenSize: Int, intermediateSize: Int, layerCount: Int,
    headCount: Int, keyValueHeadCount: Int, headSize: Int, maximumContext: Int,
    normEpsilon: Float, hasTiedHead: Bool, activation: GateActivation = .silu,
    attentionScale: Float, windows: [Int?], ropes: [RopeConfig], ropeOfLayer: [Int?],
    modules: [LinearModule]
  ) {
    self.family = family
    self.vocabularySize = vocabularySize
    self.hiddenSize = hiddenSize
    self.intermediateSize = intermediateSize
    self.layerCount = layerCount
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount
    self.headSize = headSize
    self.maximumContext = maximumContext
    self.normEpsilon = normEpsilon
    self.hasTiedHead = hasTiedHead
    self.activation = activation
    self.attentionScale = attentionScale
    self.windows = windows
    self.ropes = ropes
    self.ropeOfLayer = ropeOfLayer
    self.modules = modules
  }

  /// Input features of the maps of a stage.
  package func inputs(of stage: Stage) -> Int {
    switch stage {
    case .attentionInput, .feedForwardInput: hiddenSize
    case .attentionOutput: headCount * headSize
    case .feedForwardOutput: intermediateSize
    }
  }

  /// Output features of a projection.
  package func outputs(of projection: Projection) -> Int {
    switch projection {
    case .query: headCount * headSize
    case .key, .value: keyValueHeadCount * headSize
    case .output, .down: hiddenSize
    case .gate, .up: intermediateSize
    }
  }

  /// Path of a module as Hugging Face and PEFT write it, for example `model.layers.0.mlp.up_proj`.
  package func path(layer: Int, module: LinearModule) -> String {
    "\(layersPath).\(layer).\(module.name)"
  }

  /// The seven maps as separate modules, under the names of the Llama family.
  package static func separateModules(
    attentionWidth: Int, keyValueWidth: Int, hiddenSize: Int, intermediateSize: Int,
    queryKeyValueBias: Bool = false, outputBias: Bool = false, feedForwardBias: Bool = false
  ) -> [LinearModule] {
    func one(
      _ name: String, _ stage: Stage, _ projection: Projection, _ rows: Int, _ bias: Bool
    ) -> LinearModule {
      LinearModule(
        name, stage: stage, parts: [.init(projection: projection, rows: rows)], hasBias: bias)
    }
    let bias = queryKeyValueBias
    return [
      one("self_attn.q_proj", .attentionInput, .query, attentionWidth, bias),
      one("self_attn.k_proj", .attentionInput, .key, keyValueWidth, bias),
      one("self_attn.v_proj", .attentionInput, .value, keyValueWidth, bias),
      one("self_attn.o_proj", .attentionOutput, .output, hiddenSize, outputBias),
      one("mlp.gate_proj", .feedForwardInput, .gate, intermediateSize, feedForwardBias),
      one("mlp.up_proj", .feedForwardInput, .up, intermediateSize, feedForwardBias),
      one("mlp.down_proj", .feedForwardOutput, .down, hiddenSize, feedForwardBias),
    ]
  }
}
