// SPDX-License-Identifier: Apache-2.0
import Adapters
import Safetensors

/// How scales are folded by the rules that treat A and B apart.
struct FactorFold {
  /// All have the same scale in every module; their factors are taken as they are.
  let keepsScale: Bool

  /// - Parameter parent: an adapter that is averaged along.
  init(_ round: AggregationRound, parent: AdapterFile? = nil) {
    keepsScale = ClientFactors.haveEqualScales(
      round.clients.map(\.file) + (parent.map { [$0] } ?? []))
  }

  /// 1, or √s_i for each client.
  func factors(_ round: AggregationRound, module: Int) -> [Double] {
    round.clients.map { keepsScale ? 1 : $0.file.modules[module].scale.squareRoot() }
  }

  /// The adapter whose factors are `combine` of the clients' tensors and their folds.
  func adapter(
    _ round: AggregationRound, _ combine: ([TensorView], [Double]) -> [Float]
  ) -> Adapter {
    var result = adapter(
      round,
      values: { index, isB in
        combine(
          round.clients.map {
            isB ? $0.file.modules[index].loraB : $0.file.modules[index].loraA
          }, factors(round, module: index))
      })
    // Lengths of rows have no scale to fold.
    for index in round.modules.indices {
      let views = round.clients.compactMap { $0.file.modules[index].magnitude }
      guard views.count == round.clients.count else { continue }
      result.setMagnitude(index, combine(views, Array(repeating: 1, count: views.count)))
    }
    return result
  }

  /// The adapter whose factors are `values` of the module's index, A first.
  func adapter(
    _ round: AggregationRound, values: (_ module: Int, _ isB: Bool) -> [Float]
  ) -> Adapter {
    var config = round.clients[0].file.config
    if !keepsScale {
      config.isRankStabilized = false
      config.alpha = Double(config.rank)
    }
    let modules = round.modules.enumerated().map { index, module in
      AdapterModule(
        path: module.path, rank: module.rank, inputSize: module.inputSize,
        outputSize: module.outputSize, alpha: keepsScale ? module.alpha : Double(module.rank),
        loraA: values(index, false), loraB: values(index, true))
    }
    return Adapter(config: config, modules: modules)
  }
}
