// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// How much a record's client tells about its bin, from counts. Bins have no order here; see
/// ``WassersteinDistance`` for the axes that have one.
///
/// With w_k the clients' shares of the records, P_k their mixtures of bins and M = sum w_k P_k.
/// Definitions and reference values: Documentation/formats/plan.md.
package struct InformationIndices: Sendable, Equatable {
  /// The generalised Jensen-Shannon divergence H(M) - sum w_k H(P_k) in bits: the mutual information
  /// of client and bin. At most ``clientEntropy`` and log2 of the number of bins.
  package let divergence: Double
  /// What an IID partition of this size gives on average: (B - 1)(K - 1) / (2 N ln 2), over bins
  /// and clients that have records (Miller 1955).
  package let bias: Double
  /// H(w) in bits.
  package let clientEntropy: Double
  /// sqrt(sum w_k h_k²), h_k² = 1 - sum_b sqrt(P_kb M_b), in 0...1.
  package let hellinger: Double
  /// Likelihood-ratio statistic of independence, 2 N ln 2 times ``divergence``.
  package let g: Double
  package let degreesOfFreedom: Int
  /// The probability of a ``g`` at least as large if the partition were IID.
  package let pValue: Double

  /// max(0, divergence - bias), bits.
  package var corrected: Double { max(0, divergence - bias) }
  /// ``corrected`` / ``clientEntropy`` in 0...1: 0 for an IID partition, near 1 if the bin tells the
  /// client; 0 for a single client.
  package var normalised: Double { clientEntropy > 0 ? min(1, corrected / clientEntropy) : 0 }

  package init(_ counts: CountMatrix) {
    let clientTotals = counts.clientTotals
    let binTotals = counts.binTotals
    let total = Double(clientTotals.reduce(0, +))
    clientEntropy = Entropy.bits(clientTotals)
    var information = 0.0
    var squares = 0.0
    for client in 0..<counts.clients where clientTotals[client] > 0 {
      let size = Double(clientTotals[client])
      var overlap = 0.0
      for (bin, count) in counts.row(client).enumerated() where count > 0 {
        let joint = Double(count)
        let all = Double(binTotals[bin])
        information += joint * PortableMath.log2(joint * total / (size * all))
        overlap += ((joint / size) * (all / total)).squareRoot()
      }
      squares += size / total * max(0, 1 - overlap)
    }
    let usedBins = binTotals.filter { $0 > 0 }.count
    let usedClients = clientTotals.filter { $0 > 0 }.count
    degreesOfFreedom = max(0, usedBins - 1) * max(0, usedClients - 1)
    let ln2 = 0.693_147_180_559_945_3
    divergence = total > 0 ? max(0, information / total) : 0
    bias = total > 0 ? Double(degreesOfFreedom) / (2 * total * ln2) : 0
    hellinger = squares.squareRoot()
    g = 2 * total * ln2 * divergence
    pValue = ChiSquared.upperTail(g, degreesOfFreedom: degreesOfFreedom)
  }
}

/// Entropy of counts and amounts.
package enum Entropy {
  /// In bits, of the shares that the amounts have of their sum.
  package static func bits(_ amounts: [Double]) -> Double {
    let total = amounts.reduce(0, +)
    var sum = 0.0
    for amount in amounts where amount > 0 {
      sum -= amount / total * PortableMath.log2(amount / total)
    }
    return max(0, sum)
  }

  package static func bits(_ counts: [Int]) -> Double { bits(counts.map(Double.init)) }
}
