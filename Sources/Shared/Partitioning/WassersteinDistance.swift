// SPDX-License-Identifier: Apache-2.0

/// How far records would have to be moved along an axis to make all clients alike.
package enum WassersteinDistance {
  /// sum over clients of w_k W1(P_k, P), in the unit of `values`: W1 is the area between the
  /// clients' and the common distribution function. Computed on values, not on bins.
  package static func mean(values: [Double], clientOf: [Int32], clients: Int) -> Double {
    mean(
      runs: ValueRuns(of: values), scale: { $0 },
      forEach: { take in for (record, value) in values.enumerated() { take(record, value) } },
      clientOf: clientOf, clients: clients)
  }

  /// The same for values that are read one by one, in O(N log R) for R different values; 4 bytes a
  /// record.
  ///
  /// - Parameters:
  ///   - runs: the different values.
  ///   - scale: from a value to the unit in which distances are measured; keeps their order.
  ///   - forEach: calls its argument with each record and its value, in record order.
  static func mean(
    runs unscaled: ValueRuns, scale: (Double) -> Double,
    forEach: ((Int, Double) -> Void) -> Void, clientOf: [Int32], clients: Int
  ) -> Double {
    if unscaled.total == 0 { return 0 }
    let (runs, runOf) = unscaled.scaled(scale)
    let curve = Curve(runs: runs)
    var sizes = [Int](repeating: 0, count: clients)
    for client in clientOf { sizes[Int(client)] += 1 }
    // The records' clients by value; of equal values in record order.
    var sorted = [Int32](repeating: 0, count: runs.total)
    var next = runs.values.indices.map { Int32(runs.start(of: $0)) }
    forEach { record, value in
      let run = Int(runOf[unscaled.run(of: value)])
      sorted[Int(next[run])] = clientOf[record]
      next[run] += 1
    }
    // For each client, where its distribution function last changed, and to what count.
    var previous = [Int32](repeating: 0, count: clients)
    var seen = [Int](repeating: 0, count: clients)
    var total = 0.0
    for run in runs.values.indices {
      for place in runs.start(of: run)..<Int(runs.ends[run]) {
        let client = Int(sorted[place])
        if Int(previous[client]) < run {
          total +=
            Double(sizes[client])
            * curve.gap(
              from: Int(previous[client]), to: run, count: seen[client], of: sizes[client])
          previous[client] = Int32(run)
        }
        seen[client] += 1
      }
    }
    let last = runs.values.count - 1
    for client in 0..<clients where sizes[client] > 0 {
      total +=
        Double(sizes[client])
        * curve.gap(from: Int(previous[client]), to: last, count: seen[client], of: sizes[client])
    }
    return total / Double(runs.total)
  }

  /// The common distribution function, which rises at each run.
  private struct Curve {
    let runs: ValueRuns
    /// Its integral up to each run.
    private var area = [0.0]

    init(runs: ValueRuns) {
      self.runs = runs
      area.reserveCapacity(runs.values.count)
      for run in runs.values.indices.dropFirst() {
        let step = runs.values[run] - runs.values[run - 1]
        area.append(
          area[run - 1] + step * Double(runs.start(of: run)) / Double(runs.total))
      }
    }

    /// The area between the level `count / size` and the common distribution function from run
    /// `start` to run `end`.
    func gap(from start: Int, to end: Int, count: Int, of size: Int) -> Double {
      if start >= end { return 0 }
      let level = Double(count) / Double(size)
      // The function reaches the level at the first place with (place + 1) / N >= level.
      let (product, overflow) = count.multipliedReportingOverflow(by: runs.total)
      let reached = overflow ? Int(level * Double(runs.total)) : (product + size - 1) / size - 1
      let crossing = min(max(runs.run(at: reached), start), end)
      let values = runs.values
      let below = level * (values[crossing] - values[start]) - (area[crossing] - area[start])
      let above = (area[end] - area[crossing]) - level * (values[end] - values[crossing])
      return max(0, below) + max(0, above)
    }
  }
}
