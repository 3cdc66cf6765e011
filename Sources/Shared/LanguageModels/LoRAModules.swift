// SPDX-License-Identifier: Apache-2.0
package import Adapters
package import Randomness
import Glibc

/// Which linear maps get an adapter.
package enum TargetModules: Sendable, Equatable {
  /// Every linear map of every layer; not the output head.
  case allLinear
  /// Modules whose path is an entry or ends in "." + entry, as PEFT matches a list.
  case named([String])
  /// Modules whose whole path matches a regular expression, as PEFT matches a string.
  case pattern(String)
}

/// What the user asks of LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685).
package struct LoRASettings: Sendable, Equatable {
  package var rank = 16
  package var alpha = 32.0
  /// Scale alpha/√rank instead of alpha/rank (Kalajdzievski 2023, https://arxiv.org/abs/2312.03732).
  package var isRankStabilised = false
  package var targets = TargetModules.allLinear
  /// The rows of each adapted weight get trained lengths (DoRA: Liu et al. 2024,
  /// https://arxiv.org/abs/2402.09353).
  package var isDecomposed = false
  /// Layers to adapt; nil is all of them.
  package var layers: [Int]?
  /// Modules that get nothing although `targets` names them, matched as targets are.
  package var excluded: TargetModules?
  /// How new factors start.
  package var initialisation = LoRAInitialisation.kaiming
  /// Share of what A reads that is dropped in training.
  package var dropout = 0.0
  /// Ranks and alphas of their own by name or expression (`rank_pattern`, `alpha_pattern`).
  package var ranks: [AdapterConfig.Override<Int>] = []
  package var alphas: [AdapterConfig.Override<Double>] = []

  package init() {}

  /// Factor of B·A·x.
  package static func scale(alpha: Double, rank: Int, isRankStabilised: Bool) -> Float {
    Float(alpha / (isRankStabilised ? Double(rank).squareRoot() : Double(rank)))
  }

  /// The modules of `config` that these settings adapt, in the order of computation.
  ///
  /// - Throws: ``ModelError/unknownTarget(name:known:)`` for an entry that matches nothing,
  ///   ``ModelError/unknownLayer(layer:layerCount:)``.
  package func modules(of config: DecoderConfig) throws(ModelError) -> [LoRAModule] {
    let known = config.modules.map(\.name)
    for layer in layers ?? [] where layer < 0 || layer >= config.layerCount {
      throw .unknownLayer(layer: layer, layerCount: config.layerCount)
    }
    if case .named(let names) = targets {
      for name in names where Self.isOutside(name) { throw .untrainable(name: name) }
      for name in names where !matchesAnything(name, config) {
        throw .unknownTarget(name: name, known: known)
      }
    }
    let description = adapterConfig(of: config, baseModelName: nil)
    let matcher: ModuleMatcher
    do { matcher = try ModuleMatcher(description) } catch { throw .adapter(error) }
    var result: [LoRAModule] = []
    for layer in 0..<config.layerCount where layers?.contains(layer) ?? true {
      for (index, module) in config.modules.enumerated() {
        let path = config.path(layer: layer, module: module)
        if matcher.isTarget(path) {
          let (rank, alpha) = (matcher.rank(of: path), matcher.alpha(of: path))
          let times = initialisation.takesFromWeights ? 2 : 1
          result.append(
            LoRAModule(
              path: path, layer: layer, module: index, rank: times * rank,
              alpha: alpha * alphaFactor,
              scale: Self.scale(alpha: alpha, rank: rank, isRankStabilised: isRankStabilised),
              inputs: config.inputs(of: module.stage), outputs: module.outputs,
              isDecomposed: isDecomposed))
          result[result.count - 1].frozenRank = times == 2 ? rank : 0
          result[result.count - 1].hasDropout = dropout > 0
        }
      }
    }
    if result.isEmpty, case .pattern(let text) = targets {
      throw .unknownTarget(name: text, known: known)
    }
    return result
  }

  /// What alpha is multiplied with so that the scale stays when the rank doubles.
  var alphaFactor: Double {
    initialisation.takesFromWeights ? (isRankStabilised ? 2.squareRoot() : 2) : 1
  }

  /// Whether a target is one of the tables outside of the layers.
  private static func isOutside(_ name: String) -> Bool {
    ["embed_tokens", "lm_head", "wte", "embed_out"].contains(AdapterNaming.suffix(of: name))
  }

  private func matchesAnything(_ name: String, _ config: DecoderConfig) -> Bool {
    (0..<config.layerCount).contains { layer in
      config.modules.contains { module in
        let path = config.path(layer: layer, module: module)
        return path == name || path.hasSuffix("." + name)
      }
    }
  }
}

/// One adapted linear map.
package struct LoRAModule: Sendable, Equatable {
  /// Path as Hugging Face and PEFT write it, for example `model.layers.0.self_attn.q_proj`.
  package let path: String
  package let layer: Int
  /// Index into ``DecoderConfig/modules``.
  package let module: Int
  package let rank: Int
  package let alpha: Double
  /// Factor of B·A·x.
  package let scale: Float
  package let inputs: Int
  package let outputs: Int
  /// With trained lengths of the rows of W + scale·B·A (DoRA).
  package let isDecomposed: Bool
  /// The last so many of the ranks stay as they start.
  package var frozenRank = 0
  /// Training drops some of what A reads.
  package var hasDropout = false

  package init(
    path: String, layer: Int, module: Int, rank: Int, alpha: Double, scale: Float, inputs: Int,
    outputs: Int,
    isDecomposed: Bool = false
  ) {
    self.path = path
    self.layer = layer
    self.module = module
    self.rank = rank
    self.alpha = alpha
    self.scale = scale
    self.inputs = inputs
    self.outputs = outputs
    self.isDecomposed = isDecomposed
  }

  /// Values: A, B and, with DoRA, magnitudes.
  package var parameterCount: Int { rank * (inputs + outputs) + (isDecomposed ? outputs : 0) }

  /// A (rank, inputs) uniform in ±1/√inputs, from a stream of this module's own, so that adapting
  /// other modules too changes nothing here. B starts at zero. PEFT draws from the same distribution.
  package func initialA(seed: Seed) -> [Float] {
    var stream = seed.stream("lora-init", path)
    var values = [Float](repeating: 0, count: rank * inputs)
    let bound = 1 / Float(inputs).squareRoot()
    values.withUnsafeMutableBufferPointer { stream.fillUniform($0, bound: bound) }
    return values
  }
}
