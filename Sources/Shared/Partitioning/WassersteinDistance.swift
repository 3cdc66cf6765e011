// SPDX-License-Identifier: Apache-2.0

/// How far records would have to be moved along an axis to make all clients alike.
package enum WassersteinDistance {
  /// sum over clients of w_k W1(P_k, P), in the unit of `values`: W1 is the area between the
  /// clients' and the common distribution function. Computed on values, not on bins.
  ///
  /// O(N log N).
  package static func mean(values: [Double], clientOf: [Int32], clients: Int) -> Double {
    let order = values.indices.sorted {
      values[$0] != values[$1] ? values[$0] < values[$1] : $0 < $1
    }
    if order.isEmpty { return 0 }
    let sorted = order.map { values[$0] }
    // area[i]: the integral of the common distribution function up to sorted[i].
    var area = [0.0]
    area.reserveCapacity(sorted.count)
    for index in 1..<max(1, sorted.count) {
      let step = sorted[index] - sorted[index - 1]
      area.append(area[index - 1] + step * Double(index) / Double(sorted.count))
    }
    var sizes = [Int](repeating: 0, count: clients)
    for client in clientOf { sizes[Int(client)] += 1 }
    // For each client, where its distribution function last changed, and to what count.
    var previous = [Int](repeating: 0, count: clients)
    var seen = [Int](repeating: 0, count: clients)
    var total = 0.0
    let curve = Curve(sorted: sorted, area: area)
    for (place, record) in order.enumerated() {
      let client = Int(clientOf[record])
      total += Double(sizes[client])
        * curve.gap(from: previous[client], to: place, count: seen[client], of: sizes[client])
      previous[client] = place
      seen[client] += 1
    }
    for client in 0..<clients where sizes[client] > 0 {
      total += Double(sizes[client])
        * curve.gap(
          from: previous[client], to: sorted.count - 1, count: seen[client], of: sizes[client])
    }
    return total / Double(sorted.count)
  }

  private struct Curve {
    let sorted: [Double]
    let area: [Double]

    /// The area between the level `count / size` and the common distribution function from
    /// `sorted[start]` to `sorted[end]`.
    func gap(from start: Int, to end: Int, count: Int, of size: Int) -> Double {
      if start >= end { return 0 }
      let level = Double(count) / Double(size)
      // The function reaches the level at the first place with (place + 1) / N >= level.
      let (product, overflow) = count.multipliedReportingOverflow(by: sorted.count)
      let reached = overflow ? Int(level * Double(sorted.count)) : (product + size - 1) / size - 1
      let crossing = min(max(reached, start), end)
      let below = level * (sorted[crossing] - sorted[start]) - (area[crossing] - area[start])
      let above = (area[end] - area[crossing]) - level * (sorted[end] - sorted[crossing])
      return max(0, below) + max(0, above)
    }
  }
}
