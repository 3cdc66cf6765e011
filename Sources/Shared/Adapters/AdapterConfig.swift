// SPDX-License-Identifier: Apache-2.0

/// What PEFT's `adapter_config.json` says, as far as it matters to plain LoRA.
package struct AdapterConfig: Sendable, Equatable {
  /// Which modules the adapter belongs to.
  package enum Targets: Sendable, Equatable {
    /// Paths or last parts of paths.
    case modules([String])
    /// A regular expression over paths, or `all-linear`.
    case pattern(String)
  }
  /// A value of its own for the modules that `key` matches, see ``ModuleMatcher``.
  package struct Override<Value: Sendable & Equatable>: Sendable, Equatable {
    package let key: String
    package let value: Value

    package init(key: String, value: Value) {
      self.key = key
      self.value = value
    }
  }

  package var rank: Int
  package var alpha: Double
  /// The scale is alpha / √rank (rsLoRA) instead of alpha / rank.
  package var isRankStabilized: Bool
  /// DoRA (`use_dora`): the rows of W + ΔW are scaled to trained lengths.
  package var isDecomposed = false
  package var targets: Targets
  /// `layers_to_transform`: the layers that `targets` is limited to; nil is all.
  package var layers: [Int]?
  /// `exclude_modules`: modules that get nothing although `targets` names them.
  package var excluded: Targets?
  /// `layers_pattern`: what stands before a layer's number; empty is anything.
  package var layersPatterns: [String] = []
  package var rankOverrides: [Override<Int>] = []
  package var alphaOverrides: [Override<Double>] = []
  package var dropout: Double
  package var baseModelName: String?
  package var taskType: String?

  package init(
    rank: Int, alpha: Double, isRankStabilized: Bool = false, targets: Targets,
    layers: [Int]? = nil, dropout: Double = 0, baseModelName: String? = nil,
    taskType: String? = "CAUSAL_LM"
  ) {
    self.rank = rank
    self.alpha = alpha
    self.isRankStabilized = isRankStabilized
    self.targets = targets
    self.layers = layers
    self.dropout = dropout
    self.baseModelName = baseModelName
    self.taskType = taskType
  }

  /// The factor before B·A of a module with this rank and alpha.
  package func scale(rank: Int, alpha: Double) -> Double {
    isRankStabilized ? alpha / Double(rank).squareRoot() : alpha / Double(rank)
  }

  /// This configuration with targets in the words that all readers know, where exclusions or patterns
  /// of layers were used to choose `modules`.
  func describing(_ modules: [String]) -> AdapterConfig {
    if excluded == nil && layersPatterns.isEmpty { return self }
    var plain = self
    (plain.targets, plain.layers) = Self.describing(modules, layerCount: nil)
    (plain.excluded, plain.layersPatterns) = (nil, [])
    return plain
  }

  /// The shortest PEFT description of exactly these modules: last parts of paths, with
  /// `layers_to_transform` where not all layers take part; full paths where that cannot say it.
  ///
  /// - Parameter layerCount: layers of the base model; nil if unknown (then layers 0, 1, … without
  ///   a gap count as all).
  package static func describing(
    _ modules: [String], layerCount: Int?
  ) -> (targets: Targets, layers: [Int]?) {
    let suffixes = Set(modules.map(AdapterNaming.suffix)).sorted()
    let layers = modules.map(AdapterNaming.layer)
    if layers.allSatisfy({ $0 == nil }) { return (.modules(suffixes), nil) }
    let numbers = Set(layers.compactMap(\.self)).sorted()
    let isProduct =
      !layers.contains(nil) && Set(modules).count == suffixes.count * numbers.count
    guard isProduct else { return (.modules(Set(modules).sorted()), nil) }
    let all = Array(0..<(layerCount ?? numbers.count))
    return (.modules(suffixes), numbers == all ? nil : numbers)
  }
}
