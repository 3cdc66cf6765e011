// SPDX-License-Identifier: Apache-2.0

extension Philox {
  /// A uniform integer in 0..<bound: two words for each try, nearly always one try. Unbiased.
  ///
  /// Source: Lemire: Fast random integer generation in an interval (TOMACS 29, 2019). The standard
  /// library's own `random(in:using:)` does not promise which numbers it draws.
  package mutating func integer(below bound: Int) -> Int {
    precondition(bound > 0, "an integer is drawn below a positive bound")
    let range = UInt64(bound)
    var product = next().multipliedFullWidth(by: range)
    if product.low < range {
      let rejected = (0 &- range) % range
      while product.low < rejected { product = next().multipliedFullWidth(by: range) }
    }
    return Int(product.high)
  }

  /// Puts `values` in a uniformly random order (Fisher-Yates, from the end to the start).
  package mutating func shuffle<Values: MutableCollection & RandomAccessCollection>(
    _ values: inout Values
  ) where Values.Index == Int {
    var last = values.endIndex - 1
    while last > values.startIndex {
      let other = values.startIndex + integer(below: last - values.startIndex + 1)
      values.swapAt(last, other)
      last -= 1
    }
  }

  /// The numbers 0..<count in a uniformly random order.
  package mutating func permutation(count: Int) -> [Int] {
    var order = Array(0..<count)
    shuffle(&order)
    return order
  }

  /// An index drawn with probability proportional to its weight; nil if no weight is positive.
  ///
  /// Weights are finite and not negative. Two words.
  package mutating func weightedIndex(_ weights: [Double]) -> Int? {
    let total = weights.reduce(0, +)
    guard total > 0 else { return nil }
    let target = uniform() * total
    var sum = 0.0
    var lastPositive = 0
    for (index, weight) in weights.enumerated() where weight > 0 {
      sum += weight
      lastPositive = index
      if target < sum { return index }
    }
    return lastPositive
  }
}
