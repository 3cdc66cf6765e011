// SPDX-License-Identifier: Apache-2.0
package import Safetensors
import Streams

// Adapters: LoRA adapters in PEFT's layout, in and out. Names, shapes, scales, provenance.
// Knows nothing of decoders or of aggregation.

/// The LoRA update of one linear module: ΔW = scale · B·A, with W as [out, in]. With DoRA every row
/// of W + ΔW is scaled to a length of its own.
package struct AdapterModule: Sendable {
  /// Path in the base model, for example `model.layers.0.self_attn.q_proj`.
  package let path: String
  package let rank: Int
  package let inputSize: Int
  package let outputSize: Int
  package var alpha: Double
  /// [rank, in], row-major.
  package var loraA: [Float]
  /// [out, rank], row-major.
  package var loraB: [Float]
  /// [out], lengths of the rows of the adapted weight (DoRA); nil in plain LoRA.
  package var magnitude: [Float]?

  /// - Precondition: the arrays have the sizes that the shapes say.
  package init(
    path: String, rank: Int, inputSize: Int, outputSize: Int, alpha: Double, loraA: [Float],
    loraB: [Float], magnitude: [Float]? = nil
  ) {
    precondition(loraA.count == rank * inputSize && loraB.count == outputSize * rank)
    precondition(magnitude.map { $0.count == outputSize } ?? true)
    self.path = path
    self.rank = rank
    self.inputSize = inputSize
    self.outputSize = outputSize
    self.alpha = alpha
    self.loraA = loraA
    self.loraB = loraB
    self.magnitude = magnitude
  }

  /// Number of values in its tensors.
  package var parameterCount: Int { loraA.count + loraB.count + (magnitude?.count ?? 0) }
}

/// A LoRA adapter in memory, as float32.
package struct Adapter: Sendable {
  /// Rank, alpha and overrides here are what the file says; each module carries its own.
  package var config: AdapterConfig
  package var provenance: AdapterProvenance?
  /// In the byte order of their paths.
  package private(set) var modules: [AdapterModule]

  package init(
    config: AdapterConfig, modules: [AdapterModule], provenance: AdapterProvenance? = nil
  ) {
    self.config = config
    self.provenance = provenance
    self.modules = modules.sorted { precedes($0.path, $1.path) }
  }

  /// The module with this path, or nil.
  package subscript(path: String) -> AdapterModule? {
    index(of: path).map { modules[$0] }
  }

  /// Position of a path in ``modules``; O(log n).
  package func index(of path: String) -> Int? {
    var (low, high) = (0, modules.count)
    while low < high {
      let middle = (low + high) / 2
      if precedes(modules[middle].path, path) { low = middle + 1 } else { high = middle }
    }
    return low < modules.count && modules[low].path == path ? low : nil
  }

  /// The factor before B·A of `module`.
  package func scale(of module: AdapterModule) -> Double {
    config.scale(rank: module.rank, alpha: module.alpha)
  }

  /// Replaces the factors of module `index` and keeps its shapes.
  package mutating func setFactors(_ index: Int, loraA: [Float], loraB: [Float]) {
    precondition(
      loraA.count == modules[index].loraA.count && loraB.count == modules[index].loraB.count)
    modules[index].loraA = loraA
    modules[index].loraB = loraB
  }

  /// Sets or replaces the magnitudes of module `index`.
  package mutating func setMagnitude(_ index: Int, _ values: [Float]) {
    precondition(values.count == modules[index].outputSize)
    modules[index].magnitude = values
  }

  /// Number of values in all factors.
  package var parameterCount: Int {
    modules.reduce(0) { $0 + $1.parameterCount }
  }

  /// SHA-256 over the tensors as float32: names, shapes, values; neither configuration nor metadata.
  package func digest() -> String {
    let digest = TensorSetDigest(part: .whole)
    for tensor in tensors.sorted(by: { precedes($0.name, $1.name) }) {
      tensor.withBytes {
        digest.update(
          name: tensor.name, type: tensor.dtype.rawValue, shape: tensor.shape, bytes: $0)
      }
    }
    return digest.hexadecimal()
  }

  /// As F32 under PEFT's names.
  package var tensors: [OutputTensor] { tensors(as: .float32) }

  /// What is written under PEFT's names.
  package func tensors(as encoding: AdapterEncoding) -> [OutputTensor] {
    modules.flatMap { module in
      encoding.tensors(
        AdapterNaming.tensorName(module.path, .a), [module.rank, module.inputSize], module.loraA)
        + encoding.tensors(
          AdapterNaming.tensorName(module.path, .b), [module.outputSize, module.rank],
          module.loraB)
        + (module.magnitude.map {
          encoding.tensors(
            AdapterNaming.tensorName(module.path, .magnitude), [module.outputSize], $0)
        } ?? [])
    }
  }

  /// The configuration that describes exactly these modules: ranks and alphas that differ from
  /// the main ones become overrides by full path.
  package var describedConfig: AdapterConfig {
    var described = config
    described.rankOverrides = modules.filter { $0.rank != config.rank }.map {
      AdapterConfig.Override(key: $0.path, value: $0.rank)
    }
    described.alphaOverrides = modules.filter { $0.alpha != config.alpha }.map {
      AdapterConfig.Override(key: $0.path, value: $0.alpha)
    }
    return described
  }
}
