// SPDX-License-Identifier: Apache-2.0
import Adapters
import ArgumentParser
import CommandSupport
import LanguageModels
import Training

extension FrozenFactor: ExpressibleByArgument {}

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
      "Modules to adapt: all-linear, or names such as q_proj,v_proj (all-linear, or --adapter's).")
  var targetModules: String?

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

  @Option(help: "Dropout before A; only 0 is supported.")
  var dropout: Double = 0

  @Option(help: "How A and B start: default (A uniform, B zero).")
  var loraInit: String = "default"

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
    if dropout != 0 { throw ValidationError("--dropout: only 0 is supported, found \(dropout)") }
    if loraInit != "default" {
      throw ValidationError("--lora-init: only default is supported, found \(loraInit)")
    }
    _ = try parsedLayers()
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
      if case .modules(let names) = start.targets { settings.targets = .named(names) }
    }
    if let rank { settings.rank = rank }
    if let loraAlpha { settings.alpha = loraAlpha }
    if rslora { settings.isRankStabilised = true }
    if dora { settings.isDecomposed = true }
    if let layers = try parsedLayers() { settings.layers = layers }
    if let targetModules {
      let names = targetModules.split(separator: ",").map(String.init)
      settings.targets = targetModules == "all-linear" ? .allLinear : .named(names)
    }
    return settings
  }

  /// Whether any option says something about the adapter's shape.
  var describesShape: Bool {
    rank != nil || loraAlpha != nil || rslora || dora || layers != nil || targetModules != nil
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
