// SPDX-License-Identifier: Apache-2.0

/// The different values of an axis in ascending order, and how many records have each: all that
/// quantiles and distances need to know of the order of the records' values.
struct ValueRuns: Sendable {
  private(set) var values: [Double] = []
  /// Records with this value or a smaller one.
  private(set) var ends: [Int32] = []

  var total: Int { Int(ends.last ?? 0) }

  /// Values that are sorted at a time.
  private static let chunk = 1 << 17

  /// - Parameter forEach: calls its argument with each value, in any order; none is NaN.
  init(_ forEach: ((Double) -> Void) -> Void) {
    // Sorted pieces whose sizes shrink from first to last, so that each value is merged few times.
    var pieces: [[Run]] = []
    var chunk: [Double] = []
    chunk.reserveCapacity(Self.chunk)
    func add() {
      pieces.append(Self.runs(&chunk))
      chunk.removeAll(keepingCapacity: true)
      while pieces.count > 1, pieces[pieces.count - 2].count <= 2 * pieces[pieces.count - 1].count {
        let last = pieces.removeLast()
        pieces.append(Self.merged(pieces.removeLast(), last))
      }
    }
    forEach { value in
      chunk.append(value)
      if chunk.count == Self.chunk { add() }
    }
    add()
    while pieces.count > 1 {
      let last = pieces.removeLast()
      pieces.append(Self.merged(pieces.removeLast(), last))
    }
    let runs = pieces.first ?? []
    values = runs.map(\.value)
    var end: Int32 = 0
    ends = runs.map { run in
      end += run.count
      return end
    }
  }

  init(of values: [Double]) { self.init { take in values.forEach(take) } }

  /// The same records with their values scaled by a function that keeps their order, and for each
  /// run here its run there.
  func scaled(_ scale: (Double) -> Double) -> (runs: ValueRuns, runOf: [Int32]) {
    var result = self
    (result.values, result.ends) = ([], [])
    var runOf: [Int32] = []
    runOf.reserveCapacity(values.count)
    for (value, end) in zip(values, ends) {
      let scaled = scale(value)
      if scaled == result.values.last {
        result.ends[result.ends.count - 1] = end
      } else {
        result.values.append(scaled)
        result.ends.append(end)
      }
      runOf.append(Int32(result.values.count - 1))
    }
    return (result, runOf)
  }

  /// The value at a place of the sorted records.
  func value(at place: Int) -> Double { values[run(at: place)] }

  /// The run of a place of the sorted records; the first one below 0.
  func run(at place: Int) -> Int {
    var (low, high) = (0, max(0, values.count - 1))
    while low < high {
      let middle = (low + high) / 2
      if Int(ends[middle]) > place { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The run of a value that some record has.
  func run(of value: Double) -> Int {
    var (low, high) = (0, max(0, values.count - 1))
    while low < high {
      let middle = (low + high) / 2
      if values[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The first place of a run.
  func start(of run: Int) -> Int { run == 0 ? 0 : Int(ends[run - 1]) }

  private struct Run {
    let value: Double
    var count: Int32
  }

  private static func runs(_ values: inout [Double]) -> [Run] {
    values.sort()
    var runs: [Run] = []
    for value in values {
      if value == runs.last?.value {
        runs[runs.count - 1].count += 1
      } else {
        runs.append(Run(value: value, count: 1))
      }
    }
    return runs
  }

  private static func merged(_ left: [Run], _ right: [Run]) -> [Run] {
    var result: [Run] = []
    result.reserveCapacity(left.count + right.count)
    var (first, second) = (0, 0)
    while first < left.count && second < right.count {
      if left[first].value < right[second].value {
        result.append(left[first])
        first += 1
      } else if right[second].value < left[first].value {
        result.append(right[second])
        second += 1
      } else {
        result.append(
          Run(value: left[first].value, count: left[first].count + right[second].count))
        (first, second) = (first + 1, second + 1)
      }
    }
    result += left[first...]
    result += right[second...]
    return result
  }
}

/// A number a record for methods that rank records or share an amount out.
package struct RankedValues: Sendable {
  let runs: ValueRuns
  /// The run of each record, which is its rank among the different values.
  let runOf: [Int32]

  package init(_ values: [Double]) {
    let runs = ValueRuns(of: values)
    self.runs = runs
    runOf = values.map { Int32(runs.run(of: $0)) }
  }

  init(runs: ValueRuns, runOf: [Int32]) {
    self.runs = runs
    self.runOf = runOf
  }

  subscript(record: Int) -> Double { runs.values[Int(runOf[record])] }

  /// All of them in record order.
  package var values: [Double] { runOf.map { runs.values[Int($0)] } }

  /// Places of `order` by the value of the record there, ascending; of equal ones the first comes first.
  func ranked(_ order: [Int32]) -> [Int32] {
    var next = runs.values.indices.map { Int32(runs.start(of: $0)) }
    var places = [Int32](repeating: 0, count: order.count)
    for (place, record) in order.enumerated() {
      let run = Int(runOf[Int(record)])
      places[Int(next[run])] = Int32(place)
      next[run] += 1
    }
    return places
  }
}
