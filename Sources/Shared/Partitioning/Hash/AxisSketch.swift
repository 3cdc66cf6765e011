// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// What each client has of one axis, in memory that does not grow with the records: counts of
/// narrow classes. Counts below 64 are kept as they are, larger ones to a 32nd of an octave, scores
/// to a 1024th point.
struct AxisSketch: Sendable {
  let axis: Axis
  let clients: Int
  private(set) var total = 0
  private(set) var range: (low: Double, high: Double)?
  private var counts: [Int32]
  private let classes: Int

  private static let exact = 64
  private static let perOctave = 32
  private static let scoreClasses = 1025

  init(axis: Axis, clients: Int) {
    self.axis = axis
    self.clients = clients
    classes = axis.isCount ? Self.exact + 34 * Self.perOctave : Self.scoreClasses
    counts = [Int32](repeating: 0, count: classes * clients)
  }

  mutating func add(_ value: Double, client: Int) {
    let place = client * classes + classOf(value)
    counts[place] = counts[place] &+ 1
    total += 1
    range = range.map { (min($0.low, value), max($0.high, value)) } ?? (value, value)
  }

  private func classOf(_ value: Double) -> Int {
    if !axis.isCount {
      return Int(min(max(value, 0), 1) * Double(Self.scoreClasses - 1))
    }
    if value < Double(Self.exact) { return Int(max(0, value)) }
    let octave = Int(value.exponent)
    let step = Int((value.significand - 1) * Double(Self.perOctave))
    return min(classes - 1, Self.exact + (octave - 6) * Self.perOctave + step)
  }

  /// The smallest value of a class.
  private func floor(_ index: Int) -> Double {
    if !axis.isCount { return Double(index) / Double(Self.scoreClasses - 1) }
    if index < Self.exact { return Double(index) }
    let (octave, step) = (index - Self.exact).quotientAndRemainder(dividingBy: Self.perOctave)
    return Double(
      sign: .plus, exponent: octave + 6, significand: 1 + Double(step) / Double(Self.perOctave))
  }

  /// Indices over quantile bins as for a table whose values are rounded down to their classes.
  func measured() -> Imbalance.OneAxis? {
    guard total > 0, let range else { return nil }
    var sums = [Int](repeating: 0, count: classes)
    for client in 0..<clients {
      for index in 0..<classes { sums[index] += Int(counts[client * classes + index]) }
    }
    let used = sums.indices.filter { sums[$0] > 0 }
    let edges = quantileEdges(sums, used)
    let binning = Binning(axis: axis, cuts: .edges(edges))
    var matrix = CountMatrix(clients: clients, bins: binning.count)
    let binOf = used.map { binning.bin(of: floor($0)) }
    for client in 0..<clients {
      for (place, index) in used.enumerated() {
        matrix[client, binOf[place]] += Int(counts[client * classes + index])
      }
    }
    return Imbalance.OneAxis(
      axis: axis, binning: binning, counts: matrix, indices: InformationIndices(matrix),
      distance: distance(sums, used), range: range)
  }

  private func quantileEdges(_ sums: [Int], _ used: [Int]) -> [Double] {
    var edges: [Double] = []
    var place = 0
    var before = 0
    for step in 1..<Imbalance.binCount {
      let rank = step * total / Imbalance.binCount
      while place < used.count - 1, before + sums[used[place]] <= rank {
        before += sums[used[place]]
        place += 1
      }
      let edge = floor(used[place])
      if edge > edges.last ?? floor(used[0]) { edges.append(edge) }
    }
    return edges
  }

  /// As ``WassersteinDistance``, over the classes.
  private func distance(_ sums: [Int], _ used: [Int]) -> Double {
    let points = used.map { axis.isCount ? PortableMath.log2(1 + floor($0)) : floor($0) }
    var result = 0.0
    for client in 0..<clients {
      let own = used.map { Int(counts[client * classes + $0]) }
      let size = own.reduce(0, +)
      if size == 0 { continue }
      var (mine, all) = (0, 0)
      for place in 0..<max(0, used.count - 1) {
        mine += own[place]
        all += sums[used[place]]
        let gap = abs(Double(mine) / Double(size) - Double(all) / Double(total))
        result += gap * (points[place + 1] - points[place]) * Double(size) / Double(total)
      }
    }
    return result
  }
}
