// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What the server does with the round's change Δ = aggregate − parent, instead of adding it (Reddi et
/// al. 2021, https://arxiv.org/abs/2003.00295, algorithm 2; FedAvgM: Hsu et al. 2019,
/// https://arxiv.org/abs/1909.06335). On A and B apart, so only for rules that keep the parent's factors.
///
/// Two conventions are in use and do not give the same numbers:
///
/// | | `reddi` | `flower` |
/// |---|---|---|
/// | second moment at the start | τ² | 0 |
/// | rate of fedadam | η | η √(1 − β₂^(t+1)) / (1 − β₁^(t+1)), t from 1 |
package struct ServerOptimizer: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    case fedavgm, fedadam, fedyogi, fedadagrad
  }
  package enum Convention: String, Sendable, CaseIterable { case reddi, flower }

  package var kind: Kind
  package var convention: Convention
  /// η.
  package var learningRate: Double
  /// β₁; of fedavgm the momentum μ.
  package var momentum: Double
  package var beta2: Double
  /// τ, keeps the division bounded.
  package var tau: Double

  /// nil takes the kind's default: η 1, 0.1, 0.01, 0.1 and β₁ 0.9, 0.9, 0.9, 0; β₂ 0.99, τ 1e-3.
  package init(
    _ kind: Kind, convention: Convention = .reddi, learningRate: Double? = nil,
    momentum: Double? = nil, beta2: Double? = nil, tau: Double? = nil
  ) throws(AggregationError) {
    self.kind = kind
    self.convention = convention
    let rate: Double =
      switch kind {
      case .fedavgm: 1
      case .fedadam, .fedadagrad: 0.1
      case .fedyogi: 0.01
      }
    self.learningRate = learningRate ?? rate
    self.momentum = momentum ?? (kind == .fedadagrad ? 0 : 0.9)
    self.beta2 = beta2 ?? 0.99
    self.tau = tau ?? 1e-3
    func demand(_ isValid: Bool, _ option: String, _ expected: String) throws(AggregationError) {
      if !isValid { throw .invalidShaping(option: option, expected: expected) }
    }
    try demand(
      self.learningRate > 0 && self.learningRate.isFinite, "server-learning-rate",
      "a finite number above 0")
    try demand((0..<1).contains(self.momentum), "server-momentum", "a number in [0, 1)")
    try demand((0..<1).contains(self.beta2), "server-beta2", "a number in [0, 1)")
    try demand(self.tau > 0 && self.tau.isFinite, "server-tau", "a finite number above 0")
  }

  /// For the metadata.
  var description: String {
    "\(kind.rawValue) (\(convention.rawValue)), rate \(learningRate), momentum \(momentum)"
      + (kind == .fedavgm ? "" : ", beta2 \(beta2), tau \(tau)")
  }

  /// One tensor's step, in float64; moments are kept in float32.
  ///
  /// - Parameters:
  ///   - round: t, from 1.
  ///   - first, second: the moments, replaced.
  func step(
    parent: [Float], aggregate: [Float], round: Int, first: inout [Float], second: inout [Float]
  ) -> [Float] {
    let correction =
      convention == .flower && kind == .fedadam
      ? (1 - pow(beta2, Double(round) + 1)).squareRoot() / (1 - pow(momentum, Double(round) + 1))
      : 1
    let rate = learningRate * correction
    return parent.indices.map { place in
      let x = Double(parent[place])
      let change = Double(aggregate[place]) - x
      let square = change * change
      var m = Double(first[place])
      var v = Double(second[place])
      switch kind {
      case .fedavgm:
        m = momentum * m + change
        first[place] = Float(m)
        return Float(x + rate * m)
      case .fedadam: v = beta2 * v + (1 - beta2) * square
      case .fedyogi: v -= (1 - beta2) * square * (v > square ? 1 : v < square ? -1 : 0)
      case .fedadagrad: v += square
      }
      m = momentum * m + (1 - momentum) * change
      first[place] = Float(m)
      second[place] = Float(v)
      return Float(x + rate * m / (v.squareRoot() + tau))
    }
  }

  /// The second moment before the first round.
  var initialSecond: Float {
    convention == .reddi && kind != .fedavgm ? Float(tau * tau) : 0
  }
}
