// SPDX-License-Identifier: Apache-2.0

/// Whole numbers from shares, by the largest remainder.
package enum Apportionment {
  /// Whole parts of `total` in proportion to `shares`, each within 1 of its exact quota; they sum
  /// to `total`. Equal remainders go to the lower index first.
  ///
  /// Shares are finite and not negative; if all are 0 they count as equal.
  package static func parts(of total: Int, shares: [Double]) -> [Int] {
    if shares.isEmpty { return [] }
    let sum = shares.reduce(0, +)
    let quotas = shares.map {
      Double(total) * (sum > 0 ? $0 / sum : 1 / Double(shares.count))
    }
    var parts = quotas.map { Int($0) }
    let order = quotas.indices.sorted {
      let (left, right) = (quotas[$0] - Double(parts[$0]), quotas[$1] - Double(parts[$1]))
      return left != right ? left > right : $0 < $1
    }
    var left = total - parts.reduce(0, +)
    var next = 0
    while left > 0 {
      parts[order[next % order.count]] += 1
      left -= 1
      next += 1
    }
    return parts
  }
}
