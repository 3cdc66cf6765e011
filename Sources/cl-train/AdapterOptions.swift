// SPDX-License-Identifier: Apache-2.0
import Adapters
import ArgumentParser
import CommandSupport
import LanguageModels
import Training

extension FrozenFactor: ExpressibleByArgument {}
extension LoRAInitialisation: ExpressibleByArgument {}

/// Options that say what is adapted.
struct AdapterOptions: ParsableArguments {
  @Option(help: "Adapter to start from: a safetensors file of ours or a PEFT folder.")
  var adapter: String?

  @Option(help: "Rank of the adapters (16, or that of --adapter).")
  var rank: Int?

  @Option(help: "Alpha: the update is scaled by alpha/rank (32, or that of --adapter).")
  var loraAlpha: Double?

  @Option(
    help:
      "Modules to adapt: all-linear, names such as q_proj,v_proj, or a regular expression over whole paths (all-linear, or --adapter's).")
  var targetModules: String?

  @Option(help: "Modules to leave out: names, or a regular expression over whole paths.")
  var excludeModules: String?

  @Option(help: "Rank of the modules that a name or expression matches, NAME=RANK. Repeatable.")
  var rankPattern: [String] = []

  @Option(help: "Alpha of the modules that a name or expression matches, NAME=ALPHA. Repeatable.")
  var alphaPattern: [String] = []

  @Option(help: "Layers to adapt, for example 0,4-7 (all, or those of --adapter).")
  var layers: String?

  @Flag(help: "Scale by alpha/sqrt(rank) (rsLoRA).")
  var rslora = false

  @Flag(help: "Train the lengths of the weights' rows apart from their directions (DoRA).")
  var dora = false

  @Option(help: "Learning rate of B over that of A (LoRA+).")
  var loraPlus: Double = 1

  @Option(help: "Factor that is not trained: A or B.")
  var freeze: FrozenFactor?

  @Option(help: "Strength of the pull to the starting point (FedProx).")
  var prox: Double = 0

  @Option(help: "Share of A's input that training drops (0, or that of --adapter).")
  var dropout: Double?

  @Option(
    help: "How A and B start: kaiming, gaussian, or from the weights by pissa or olora (kaiming).")
  var loraInit: LoRAInitialisation?

  func validate() throws {
    if let rank, rank < 1 || rank > 65536 {
      throw ValidationError("--rank: expected 1 to 65536, found \(rank)")
    }
    if let loraAlpha, !(loraAlpha > 0 && loraAlpha.isFinite) {
      throw ValidationError("--lora-alpha: expected a number above 0, found \(loraAlpha)")
    }
    if !(loraPlus > 0 && loraPlus.isFinite) {
      throw ValidationError("--lora-plus: expected a number above 0, found \(loraPlus)")
    }
    if !(prox >= 0 && prox.isFinite) {
      throw ValidationError("--prox: expected 0 or more, found \(prox)")
    }
    if let dropout, !(dropout >= 0 && dropout < 1) {
      throw ValidationError("--dropout: expected 0 or more and less than 1, found \(dropout)")
    }
    if loraInit != nil && adapter != nil {
      throw ValidationError("--lora-init is for new adapters, --adapter gives one")
    }
    if dora && loraInit?.takesFromWeights == true {
      throw ValidationError("--dora and --lora-init \(loraInit?.rawValue ?? "") exclude each other")
    }
    _ = try parsedLayers()
    _ = try parsedRanks()
    _ = try parsedAlphas()
  }

  /// The settings to start a new adapter with, or those of `start` with what was given changed.
  func settings(startingFrom start: AdapterConfig?) throws -> LoRASettings {
    var settings = LoRASettings()
    if let start {
      settings.rank = start.rank
      settings.alpha = start.alpha
      settings.isRankStabilised = start.isRankStabilized
      settings.isDecomposed = start.isDecomposed
      settings.layers = start.layers
      settings.targets = Self.targets(start.targets)
      settings.excluded = start.excluded.map(Self.targets)
      settings.ranks = start.rankOverrides
      settings.alphas = start.alphaOverrides
    }
    if let rank { settings.rank = rank }
    if let loraAlpha { settings.alpha = loraAlpha }
    if rslora { settings.isRankStabilised = true }
    if dora { settings.isDecomposed = true }
    if let layers = try parsedLayers() { settings.layers = layers }
    if let loraInit { settings.initialisation = loraInit }
    settings.dropout = dropout ?? start?.dropout ?? 0
    if let targetModules { settings.targets = Self.targets(targetModules) }
    if let excludeModules { settings.excluded = Self.targets(excludeModules) }
    if !rankPattern.isEmpty { settings.ranks = try parsedRanks() }
    if !alphaPattern.isEmpty { settings.alphas = try parsedAlphas() }
    return settings
  }

  /// Whether any option says something about the adapter's shape.
  var describesShape: Bool {
    rank != nil || loraAlpha != nil || rslora || dora || layers != nil || targetModules != nil
      || excludeModules != nil || !rankPattern.isEmpty || !alphaPattern.isEmpty
  }

  /// Names where the text is names; an expression where it has any character that names have not.
  private static func targets(_ text: String) -> TargetModules {
    if text == "all-linear" { return .allLinear }
    let isNames = text.allSatisfy { $0.isLetter || $0.isNumber || "_.,-".contains($0) }
    return isNames ? .named(text.split(separator: ",").map(String.init)) : .pattern(text)
  }

  private static func targets(_ targets: AdapterConfig.Targets) -> TargetModules {
    switch targets {
    case .modules(let names): .named(names)
    case .pattern("all-linear"): .allLinear
    case .pattern(let text): .pattern(text)
    }
  }

  private func parsedRanks() throws -> [AdapterConfig.Override<Int>] {
    try rankPattern.map { text in
      guard let (key, value) = Self.pair(text), let rank = Int(value), (1...65536).contains(rank)
      else { throw ValidationError("--rank-pattern: expected NAME=RANK, found \(text)") }
      return AdapterConfig.Override(key: key, value: rank)
    }
  }

  private func parsedAlphas() throws -> [AdapterConfig.Override<Double>] {
    try alphaPattern.map { text in
      guard let (key, value) = Self.pair(text), let alpha = Double(value), alpha > 0, alpha.isFinite
      else { throw ValidationError("--alpha-pattern: expected NAME=ALPHA, found \(text)") }
      return AdapterConfig.Override(key: key, value: alpha)
    }
  }

  /// What stands before and after the last `=`.
  private static func pair(_ text: String) -> (key: String, value: String)? {
    guard let equals = text.lastIndex(of: "="), equals != text.startIndex else { return nil }
    return (String(text[..<equals]), String(text[text.index(after: equals)...]))
  }

  /// `0,4-7` as numbers; nil for all.
  private func parsedLayers() throws -> [Int]? {
    guard let layers, layers != "all" else { return nil }
    var result: [Int] = []
    for part in layers.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
      guard let first = Int(ends[0]), first >= 0, let last = Int(ends[ends.count - 1]),
        last >= first, last < 65536
      else {
        throw ValidationError("--layers: expected numbers such as 0,4-7, found \(layers)")
      }
      result += Array(first...last)
    }
    return Array(Set(result)).sorted()
  }
}
