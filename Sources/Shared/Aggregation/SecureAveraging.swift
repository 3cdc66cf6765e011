// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute
import Privacy
import Randomness
import Safetensors

/// The weighted mean as ``SecureSum`` would give it: each client sends its weighted factors (its changes,
/// where the parent is known) as masked integers, some may leave before the end, and only the sum is
/// opened. A simulation: it shows the error of fixed point and what cannot be had under masks.
package struct SecureAveraging: Sendable, Equatable {
  /// Clients that leave after the masks were agreed.
  package var lost: [String]
  /// How many must be left; nil: two thirds.
  package var threshold: Int?
  package var seed: UInt64

  package init(lost: [String] = [], threshold: Int? = nil, seed: UInt64 = 1) {
    self.lost = lost
    self.threshold = threshold
    self.seed = seed
  }

  /// What was done.
  package struct Summary: Sendable, Equatable {
    package let clients: Int
    package let survivors: Int
    package let threshold: Int
    /// Values that lay outside of ±8 and were cut.
    package let cutValues: Int

    package var text: String {
      "simulated secure aggregation: \(survivors) of \(clients) clients in the sum, "
        + "\(threshold) needed, steps of 2^-27 within 8"
    }
  }

  func aggregate(
    _ round: AggregationRound, on loop: ParallelFor
  ) throws(AggregationError) -> (adapter: Adapter, summary: Summary) {
    let count = round.clients.count
    let survivors = round.clients.indices.filter { !lost.contains(round.clients[$0].client ?? "") }
    for name in lost where !round.clients.contains(where: { $0.client == name }) {
      throw .invalidShaping(option: "secure-lost", expected: "clients that take part, found \(name)")
    }
    let secure = SecureSum(
      clients: count, threshold: threshold, seed: Seed(seed),
      context: ["aggregate", "secure", "\(round.clients[0].file.provenance?.round ?? 0)"])
    guard let opening = secure.opening(survivors: survivors) else {
      throw .tooFewForRule(
        "secure aggregation", found: survivors.count, required: secure.threshold, hostile: 0)
    }
    // The server knows the weights, so it can make up for those who left.
    let share = survivors.reduce(0) { $0 + round.weights[$1] }
    guard share > 0 else { throw .noWeight }
    let fold = FactorFold(round, parent: round.parent)
    let parts = loop.map(2 * round.modules.count) { part -> (values: [Float], cut: Int) in
      let (index, side) = part.quotientAndRemainder(dividingBy: 2)
      func view(_ file: AdapterFile) -> TensorView {
        side == 0 ? file.modules[index].loraA : file.modules[index].loraB
      }
      func values(_ file: AdapterFile) -> [Double] {
        let root = fold.keepsScale ? 1 : file.modules[index].scale.squareRoot()
        return ClientFactors.values(view(file)).map { root * $0 }
      }
      let start = round.parent.map(values)
      var cut = 0
      let uploads = survivors.map { client -> [UInt32] in
        let own = values(round.clients[client].file)
        let changes = start.map { zip(own, $0).map { $0 - $1 } } ?? own
        let weighted = changes.map { round.weights[client] * $0 }
        for value in weighted where value.magnitude > FixedPoint.bound { cut += 1 }
        return secure.upload(of: client, weighted.map(FixedPoint.encode), part: part)
      }
      let total = secure.sum(uploads, part: part, opening).map { FixedPoint.decode($0) / share }
      let result = start.map { zip($0, total).map { Float($0 + $1) } } ?? total.map { Float($0) }
      return (result, cut)
    }
    let adapter = fold.adapter(round, values: { parts[2 * $0 + ($1 ? 1 : 0)].values })
    return (
      adapter,
      Summary(
        clients: count, survivors: survivors.count, threshold: secure.threshold,
        cutValues: parts.reduce(0) { $0 + $1.cut })
    )
  }
}
