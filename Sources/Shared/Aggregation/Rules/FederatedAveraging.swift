// SPDX-License-Identifier: Apache-2.0
import Adapters
import Safetensors

/// FedAvg on the factors: Ā = Σ w_i A_i, B̄ = Σ w_i B_i (McMahan et al. 2017,
/// https://arxiv.org/abs/1602.05629; on LoRA factors: Zhang et al. 2024, FedIT,
/// https://arxiv.org/abs/2305.05644).
///
/// B̄Ā is not M: M − B̄Ā = Σ w_i (B_i − B̄)(A_i − Ā), the drift in the report. Nor is the result
/// independent of how each ΔW_i is factored, so all clients must start from the same adapter.
///
/// Scales: where every client has the same scale in every module, the factors are averaged as they
/// are, and rank, alpha and rsLoRA stay those of the clients. Otherwise √s_i is folded into both
/// factors of each client first, and the result has scale 1 (alpha = rank).
struct FederatedAveraging: AggregationRule {
  private static let chunk = 4096

  func aggregate(_ round: AggregationRound) throws(AggregationError) -> Adapter {
    let first = round.clients[0].file
    let keepsScale = Self.hasEqualScales(round)
    var config = first.config
    if !keepsScale {
      config.isRankStabilized = false
      config.alpha = Double(config.rank)
    }
    let modules = first.modules.indices.map { index in
      let module = first.modules[index]
      let factors = Self.coefficients(round, module: index, keepsScale: keepsScale)
      return AdapterModule(
        path: module.path, rank: module.rank, inputSize: module.inputSize,
        outputSize: module.outputSize, alpha: keepsScale ? module.alpha : Double(module.rank),
        loraA: Self.weightedSum(round.clients.map { $0.file.modules[index].loraA }, factors),
        loraB: Self.weightedSum(round.clients.map { $0.file.modules[index].loraB }, factors))
    }
    return Adapter(config: config, modules: modules)
  }

  func residual(
    _ round: AggregationRound, module: Int, result: Adapter
  ) throws(AggregationError) -> ProductSum {
    let mean = result.modules[module]
    let keepsScale = Self.hasEqualScales(round)
    let scale = result.scale(of: mean)
    var sum = ProductSum(inputSize: mean.inputSize, outputSize: mean.outputSize)
    for (client, weight) in zip(round.clients, round.weights) {
      let views = client.file.modules[module]
      let fold = keepsScale ? 1 : views.scale.squareRoot()
      let loraA = ClientFactors.values(views.loraA)
      let loraB = ClientFactors.values(views.loraB)
      sum.add(
        loraB: zip(loraB, mean.loraB).map { weight * scale * (fold * $0 - Double($1)) },
        loraA: zip(loraA, mean.loraA).map { fold * $0 - Double($1) }, rank: mean.rank)
    }
    return sum
  }

  private static func hasEqualScales(_ round: AggregationRound) -> Bool {
    let first = round.clients[0].file.modules
    return round.clients.allSatisfy { client in
      zip(client.file.modules, first).allSatisfy { $0.scale == $1.scale }
    }
  }

  /// w_i, times √s_i where scales are folded.
  private static func coefficients(
    _ round: AggregationRound, module: Int, keepsScale: Bool
  ) -> [Double] {
    zip(round.clients, round.weights).map { client, weight in
      keepsScale ? weight : weight * client.file.modules[module].scale.squareRoot()
    }
  }

  /// Σ c_i x_i in float64, client after client, rounded once to float32.
  ///
  /// For n equal x_i and equal scales the sum differs from x by less than n·2⁻⁵³ of it, far from
  /// the next float32: copies come back bit for bit.
  private static func weightedSum(_ views: [TensorView], _ coefficients: [Double]) -> [Float] {
    let count = views.first?.elementCount ?? 0
    return [Float](unsafeUninitializedCapacity: count) { output, initialized in
      withUnsafeTemporaryAllocation(of: Double.self, capacity: chunk) { sums in
        withUnsafeTemporaryAllocation(of: Float.self, capacity: chunk) { values in
          for start in stride(from: 0, to: count, by: chunk) {
            let size = min(chunk, count - start)
            for index in 0..<size { sums[index] = 0 }
            for (view, coefficient) in zip(views, coefficients) {
              view.copyFloats(
                from: start, into: UnsafeMutableBufferPointer(rebasing: values[..<size]))
              for index in 0..<size { sums[index] += coefficient * Double(values[index]) }
            }
            for index in 0..<size { output[start + index] = Float(sums[index]) }
          }
        }
      }
      initialized = count
    }
  }
}
