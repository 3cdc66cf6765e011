// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import ArgumentParser
import CommandSupport

/// What the server does with the aggregate.
struct ServerArguments: ParsableArguments {
  @Option(help: "Move from --parent by fedavgm, fedadam, fedyogi or fedadagrad (default: none).")
  var serverOptimizer: ServerOptimizer.Kind?

  @Option(help: "The optimizer's formulas: reddi or flower.")
  var serverConvention: ServerOptimizer.Convention = .reddi

  @Option(help: "Its learning rate (default: 1, 0.1, 0.01, 0.1).")
  var serverLearningRate: Double?

  @Option(help: "Its momentum or beta1 (default: 0.9; 0 for fedadagrad).")
  var serverMomentum: Double?

  @Option(help: "Its beta2 (default: 0.99).")
  var serverBeta2: Double?

  @Option(help: "Its tau (default: 0.001).")
  var serverTau: Double?

  @Option(help: "Its moments from round to round: read if it is there, replaced at the end.")
  var state: String?

  func optimizer() throws -> ServerOptimizer? {
    guard let kind = serverOptimizer else {
      let numbers = [serverLearningRate, serverMomentum, serverBeta2, serverTau]
      if state != nil || numbers.contains(where: { $0 != nil }) {
        throw UsageError("--state and --server-… need a --server-optimizer")
      }
      return nil
    }
    return try ServerOptimizer(
      kind, convention: serverConvention, learningRate: serverLearningRate,
      momentum: serverMomentum, beta2: serverBeta2, tau: serverTau)
  }

  func savedState(_ optimizer: ServerOptimizer?, parent: AdapterFile?) throws -> ServerState? {
    guard let state, let optimizer, let parent else { return nil }
    return try ServerState.open(state, optimizer, parent: parent)
  }
}

extension ServerOptimizer.Kind: ExpressibleByArgument {}
extension ServerOptimizer.Convention: ExpressibleByArgument {}
