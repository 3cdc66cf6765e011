// SPDX-License-Identifier: Apache-2.0
package import Adapters
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

extension RuleResult {
  /// The adapter and what it leaves out side by side, so that the product is M; nil without residual.
  package var exact: Adapter? {
    guard let residual else { return nil }
    let modules = zip(adapter.modules, residual.modules).map { mean, rest -> AdapterModule in
      let (first, second) = (Float(adapter.scale(of: mean)), Float(residual.scale(of: rest)))
      let rank = mean.rank + rest.rank
      var loraA = mean.loraA.map { first * $0 }
      loraA.append(contentsOf: rest.loraA.map { second * $0 })
      var loraB: [Float] = []
      for output in 0..<mean.outputSize {
        loraB.append(contentsOf: mean.loraB[output * mean.rank..<(output + 1) * mean.rank])
        loraB.append(contentsOf: rest.loraB[output * rest.rank..<(output + 1) * rest.rank])
      }
      return AdapterModule(
        path: mean.path, rank: rank, inputSize: mean.inputSize, outputSize: mean.outputSize,
        alpha: Double(rank), loraA: loraA, loraB: loraB)
    }
    var result = ScaleOne.adapter(modules, like: adapter.config)
    result.provenance = adapter.provenance
    return result
  }
}
