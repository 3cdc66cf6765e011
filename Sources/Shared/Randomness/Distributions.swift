// SPDX-License-Identifier: Apache-2.0

extension Philox {
  /// Uniform in [0, 1): one word, its upper 24 bits.
  package mutating func uniformFloat() -> Float {
    Float(nextWord() >> 8) * 0x1p-24
  }

  /// Uniform in [0, 1): two words, the upper 53 bits of their 64.
  package mutating func uniform() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// Uniform in (0, 1], for logarithms: two words.
  package mutating func uniformPositive() -> Double {
    Double((next() >> 11) + 1) * 0x1p-53
  }

  /// Fills `values` with uniform draws from [-bound, bound), one word each.
  package mutating func fillUniform(_ values: UnsafeMutableBufferPointer<Float>, bound: Float) {
    for index in values.indices { values[index] = (2 * uniformFloat() - 1) * bound }
  }

  /// A standard normal draw: four words for each try, 4/π tries on average.
  ///
  /// Marsaglia's polar method; the second value of a pair is not kept, so that a draw depends on
  /// the stream's position alone. Source: Marsaglia, Bray, SIAM Review 6 (1964).
  package mutating func normal() -> Double { normalPair().0 }

  /// Fills `values` with normal draws of mean 0; each pair of the polar method gives two of them.
  package mutating func fillNormal(
    _ values: UnsafeMutableBufferPointer<Float>, standardDeviation: Double
  ) {
    var index = 0
    while index < values.count {
      let pair = normalPair()
      values[index] = Float(pair.0 * standardDeviation)
      if index + 1 < values.count { values[index + 1] = Float(pair.1 * standardDeviation) }
      index += 2
    }
  }

  private mutating func normalPair() -> (Double, Double) {
    while true {
      let x = 2 * uniform() - 1
      let y = 2 * uniform() - 1
      let square = x * x + y * y
      if square > 0 && square < 1 {
        let factor = (-2 * PortableMath.log(square) / square).squareRoot()
        return (x * factor, y * factor)
      }
    }
  }

  /// The logarithm of a draw from the gamma distribution with this shape and scale 1.
  ///
  /// A shape below 1 takes ln Γ(shape + 1)-variate + ln(U) / shape, which never underflows; the
  /// number itself would be 0 for most draws at shape 0.001. Shapes below 1e-300 count as 1e-300.
  /// Source: Marsaglia, Tsang: A simple method for generating gamma variables (TOMS 26, 2000).
  package mutating func logGamma(shape: Double) -> Double {
    precondition(shape > 0 && shape.isFinite, "a gamma shape is positive and finite")
    if shape < 1 {
      let boosted = logGamma(shape: shape + 1)
      return boosted + PortableMath.log(uniformPositive()) / max(shape, 1e-300)
    }
    let d = shape - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = normal()
      let root = 1 + c * x
      if root <= 0 { continue }
      let v = root * root * root
      let logV = 3 * PortableMath.log(root)
      let u = PortableMath.log(uniformPositive())
      if u < 0.5 * x * x + d * (1 - v + logV) { return PortableMath.log(d) + logV }
    }
  }

  /// A draw from the Dirichlet distribution with the given shapes: shares that sum to 1.
  ///
  /// The softmax of log-gamma draws, so it holds for every positive shape: no 0/0 at 0.001.
  package mutating func dirichlet(shapes: [Double]) -> [Double] {
    var values: [Double] = []
    values.reserveCapacity(shapes.count)
    for shape in shapes { values.append(logGamma(shape: shape)) }
    let largest = values.max() ?? 0
    for index in values.indices { values[index] = PortableMath.exp(values[index] - largest) }
    let sum = values.reduce(0, +)
    return values.map { $0 / sum }
  }

  /// A draw from the symmetric Dirichlet distribution over `count` categories.
  package mutating func dirichlet(concentration: Double, count: Int) -> [Double] {
    dirichlet(shapes: [Double](repeating: concentration, count: count))
  }
}
