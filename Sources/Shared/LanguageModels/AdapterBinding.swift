// SPDX-License-Identifier: Apache-2.0
package import Adapters
package import Compute

extension LoRAModule {
  /// The modules of `config` that an adapter holds, in the order of computation.
  ///
  /// - Throws: ``ModelError/adapterMismatch(module:expected:found:)`` for a module that the model
  ///   lacks, or one of another size.
  package static func modules(
    of adapter: Adapter, config: DecoderConfig
  ) throws(ModelError) -> [LoRAModule] {
    var result: [LoRAModule] = []
    for layer in 0..<config.layerCount {
      for (index, module) in config.modules.enumerated() {
        let path = config.path(layer: layer, module: module)
        guard let found = adapter[path] else { continue }
        let inputs = config.inputs(of: module.stage)
        guard found.inputSize == inputs, found.outputSize == module.outputs else {
          throw .adapterMismatch(
            module: path, expected: "\(inputs) inputs and \(module.outputs) outputs",
            found: "\(found.inputSize) and \(found.outputSize)")
        }
        result.append(
          LoRAModule(
            path: path, layer: layer, module: index, rank: found.rank, alpha: found.alpha,
            scale: Float(adapter.scale(of: found)), inputs: inputs, outputs: module.outputs,
            isDecomposed: found.magnitude != nil))
        result[result.count - 1].hasDropout = adapter.config.dropout > 0
      }
    }
    if result.count < adapter.modules.count {
      let known = Set(result.map(\.path))
      for module in adapter.modules where !known.contains(module.path) {
        throw .adapterMismatch(
          module: module.path, expected: "a linear map of a layer of the base model",
          found: "none of that name")
      }
    }
    return result
  }
}

extension LoRAParameters {
  /// Takes the factors of `adapter`.
  ///
  /// - Precondition: ``modules`` were made for this adapter.
  package func load(_ adapter: Adapter) {
    for (index, module) in modules.enumerated() {
      guard let found = adapter[module.path] else { preconditionFailure("made for this adapter") }
      write(a: found.loraA, at: index)
      write(b: found.loraB, at: index)
      if let magnitude = found.magnitude { write(magnitude: magnitude, at: index) }
    }
  }

  /// The factors as an adapter described by `config`.
  package func adapter(
    config: AdapterConfig, provenance: AdapterProvenance? = nil
  ) -> Adapter {
    let parts = modules.enumerated().map { index, module in
      AdapterModule(
        path: module.path, rank: module.rank, inputSize: module.inputs,
        outputSize: module.outputs, alpha: module.alpha, loraA: readA(index), loraB: readB(index),
        magnitude: readMagnitude(index))
    }
    return Adapter(config: config, modules: parts, provenance: provenance)
  }
}

extension LoRASettings {
  /// How PEFT would describe an adapter with these settings: targets as sorted last parts of paths.
  package func adapterConfig(of config: DecoderConfig, baseModelName: String?) -> AdapterConfig {
    func described(_ targets: TargetModules) -> AdapterConfig.Targets {
      switch targets {
      case .allLinear:
        .modules(config.modules.map { AdapterNaming.suffix(of: $0.name) }.sorted())
      case .named(let names): .modules(Set(names).sorted())
      case .pattern(let text): .pattern(text)
      }
    }
    var result = AdapterConfig(
      rank: rank, alpha: alpha, isRankStabilized: isRankStabilised,
      targets: described(targets), layers: layers.map { Set($0).sorted() },
      baseModelName: baseModelName)
    result.isDecomposed = isDecomposed
    result.dropout = dropout
    result.excluded = excluded.map(described)
    result.rankOverrides = ranks
    result.alphaOverrides = alphas
    return result
  }

  /// ``adapterConfig(of:baseModelName:)`` in the words that all readers of adapters know: what was
  /// chosen by exclusions, or by an expression and layers, is listed.
  package func writtenConfig(
    of config: DecoderConfig, modules: [LoRAModule], baseModelName: String?
  ) -> AdapterConfig {
    var result = adapterConfig(of: config, baseModelName: baseModelName)
    result.rank *= initialisation.takesFromWeights ? 2 : 1
    result.alpha *= alphaFactor
    var isPattern = false
    if case .pattern = targets { isPattern = true }
    if excluded != nil || isPattern && layers != nil {
      result.excluded = nil
      (result.targets, result.layers) = AdapterConfig.describing(
        modules.map(\.path), layerCount: config.layerCount)
    }
    if let foreign = config.foreignModules { result.excluded = .pattern(foreign) }
    return result
  }
}

extension LanguageModel {
  /// A base model with an adapter, for scoring or for further training.
  ///
  /// - Throws: ``ModelError``.
  package convenience init(
    base: BaseModel, adapter: Adapter, device: any Device
  ) throws(ModelError) {
    try self.init(
      base: base, modules: try LoRAModule.modules(of: adapter, config: base.config),
      device: device)
    lora?.load(adapter)
  }
}
