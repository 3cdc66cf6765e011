// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// Means of factors of unequal ranks: row j of A and column j of B are those of the clients that have
/// them. The roots of the scales are folded into both factors, so that the result has scale 1.
enum PaddedMean {
  /// - Parameters:
  ///   - shares: what a client counts; not negative.
  ///   - renormalizes: divide each row by the shares of those that have it, instead of taking the
  ///     missing rows as zeros.
  static func adapter(
    _ round: AggregationRound, shares: [Double], renormalizes: Bool, on loop: ParallelFor
  ) -> Adapter {
    let modules = loop.map(round.modules.count) { index -> AdapterModule in
      let reference = round.modules[index]
      let parts = round.clients.map { $0.file.modules[index] }
      let rank = parts.map(\.rank).max() ?? 1
      var totals = [Double](repeating: 0, count: rank)
      for (part, share) in zip(parts, shares) {
        for row in 0..<part.rank { totals[row] += renormalizes ? share : 0 }
      }
      let divisors = totals.map { $0 > 0 ? $0 : 1 }
      var loraA = [Double](repeating: 0, count: rank * reference.inputSize)
      var loraB = [Double](repeating: 0, count: reference.outputSize * rank)
      for (part, share) in zip(parts, shares) where share > 0 {
        let fold = part.scale.squareRoot()
        let factors = divisors.map { share * fold / $0 }
        let a = ClientFactors.values(part.loraA)
        for place in a.indices { loraA[place] += factors[place / reference.inputSize] * a[place] }
        let b = ClientFactors.values(part.loraB)
        for place in b.indices {
          let (output, row) = place.quotientAndRemainder(dividingBy: part.rank)
          loraB[output * rank + row] += factors[row] * b[place]
        }
      }
      return ScaleOne.module(
        like: reference, rank: rank, loraA: loraA.map { Float($0) }, loraB: loraB.map { Float($0) })
    }
    return ScaleOne.adapter(modules, like: round.clients[0].file.config)
  }
}
