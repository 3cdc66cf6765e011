// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute
import Glibc
import Safetensors

/// Averages one factor where all clients have the same other one. Exact: Σ w_i s_i B_i A_0 is
/// (Σ w_i s_i B_i) A_0, and alike for a common B.
enum CommonFactor {
  /// - Parameter trained: the factor that differs between the clients.
  /// - Throws: ``AggregationError/otherFactor(path:module:factor:)``.
  static func mean(
    _ round: AggregationRound, trained: LoRAFactor, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    try check(round, common: trained == .a ? .b : .a, on: loop)
    let keepsScale = ClientFactors.haveEqualScales(round.clients.map(\.file))
    var config = round.clients[0].file.config
    if !keepsScale {
      config.isRankStabilized = false
      config.alpha = Double(config.rank)
    }
    let modules = round.modules.enumerated().map { index, module in
      let coefficients = zip(round.clients, round.weights).map { client, weight in
        keepsScale ? weight : weight * client.file.modules[index].scale
      }
      func factor(_ factor: LoRAFactor) -> [Float] {
        let views = round.clients.map { view($0.file.modules[index], factor) }
        return factor == trained
          ? WeightedSum.of(views, coefficients, on: loop)
          : WeightedSum.of([views[0]], [1], on: loop)
      }
      return AdapterModule(
        path: module.path, rank: module.rank, inputSize: module.inputSize,
        outputSize: module.outputSize, alpha: keepsScale ? module.alpha : Double(module.rank),
        loraA: factor(.a), loraB: factor(.b))
    }
    return RuleResult(Adapter(config: config, modules: modules))
  }

  private static func view(_ module: AdapterFile.Module, _ factor: LoRAFactor) -> TensorView {
    factor == .a ? module.loraA : module.loraB  // magnitudes are refused before
  }

  private static func check(
    _ round: AggregationRound, common: LoRAFactor, on loop: ParallelFor
  ) throws(AggregationError) {
    let first = round.clients[0].file
    let differing = loop.map(round.clients.count) { index in
      zip(round.clients[index].file.modules, first.modules).first {
        !isEqual(view($0, common), view($1, common))
      }?.0.path
    }
    for (client, module) in zip(round.clients, differing) {
      if let module {
        throw .otherFactor(path: client.file.path, module: module, factor: common, first: first.path)
      }
    }
  }

  private static func isEqual(_ left: TensorView, _ right: TensorView) -> Bool {
    if left.dtype == right.dtype {
      guard let x = left.bytes.baseAddress, let y = right.bytes.baseAddress else { return true }
      return left.bytes.count == right.bytes.count && memcmp(x, y, left.bytes.count) == 0
    }
    return ClientFactors.values(left) == ClientFactors.values(right)
  }
}
