// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// Results whose scale is 1 (alpha = rank) in every module, whatever the ranks.
enum ScaleOne {
  /// - Parameter config: targets, base and so on come from here.
  static func adapter(_ modules: [AdapterModule], like config: AdapterConfig) -> Adapter {
    var config = config
    config.isRankStabilized = false
    config.rank = modules.map(\.rank).max() ?? 1
    config.alpha = Double(config.rank)
    return Adapter(config: config, modules: modules)
  }

  static func module(
    like module: AdapterFile.Module, rank: Int, loraA: [Float], loraB: [Float]
  ) -> AdapterModule {
    AdapterModule(
      path: module.path, rank: rank, inputSize: module.inputSize, outputSize: module.outputSize,
      alpha: Double(rank), loraA: loraA, loraB: loraB)
  }

  /// Σ c_i ΔW_i cut to `choice`, module by module; without a choice to the largest rank that the
  /// adapters have in the module.
  static func combination(
    _ files: [AdapterFile], _ coefficients: [Double], _ choice: RankChoice, on loop: ParallelFor
  ) -> RuleResult {
    let references = files[0].modules
    let cut = loop.map(references.count) { index in
      var choice = choice
      if choice == RankChoice() { choice.rank = files.map { $0.modules[index].rank }.max() }
      let factors = ClientFactors.sum(files, coefficients, module: index).lowRank(choice)
      return (
        module(
          like: references[index], rank: factors.rank, loraA: factors.loraA.map { Float($0) },
          loraB: factors.loraB.map { Float($0) }),
        factors.truncationError
      )
    }
    return RuleResult(
      adapter(cut.map(\.0), like: files[0].config), truncation: cut.map(\.1))
  }
}
