// SPDX-License-Identifier: Apache-2.0
import Compute
import Glibc
import Testing

/// The functions that kernels compute with, against the C library's in double precision, in units of the
/// last place of the float32 result.
@Suite struct VectorMathTests {
  typealias Lanes = SIMD16<Float>

  /// The largest error over `count` arguments evenly spread over `range`, in units of the last place.
  private func largestError(
    _ range: ClosedRange<Float>, count: Int = 400_000, _ function: (Lanes) -> Lanes,
    _ exact: (Double) -> Double
  ) -> Double {
    var worst = 0.0
    let step = (range.upperBound - range.lowerBound) / Float(count)
    for first in stride(from: 0, to: count, by: 16) {
      var x = Lanes.zero
      for lane in 0..<16 { x[lane] = range.lowerBound + Float(first + lane) * step }
      let y = function(x)
      for lane in 0..<16 {
        let expected = exact(Double(x[lane]))
        let unit = max(Double(Float(expected).ulp), Double(Float.leastNormalMagnitude.ulp))
        worst = max(worst, abs(Double(y[lane]) - expected) / unit)
      }
    }
    return worst
  }

  @Test func exponentialIsWithinTwoUnits() {
    for range: ClosedRange<Float> in [-104...(-87), -87...0, -1...1, 0...88.7] {
      #expect(largestError(range, VectorMath.exponential, exp) <= 2)
    }
    for range: ClosedRange<Float> in [-104...0, -1e-3...1e-3] {
      #expect(largestError(range, VectorMath.weight, exp) <= 2)
    }
  }

  @Test func exponentialAtTheEnds() {
    func value(_ x: Float) -> Float { VectorMath.exponential(Lanes(repeating: x))[3] }
    #expect(value(0) == 1)
    #expect(value(-1e38) == 0 && value(-.infinity) == 0 && value(-104.1) == 0)
    #expect(value(1e38) == .infinity && value(.infinity) == .infinity && value(89) == .infinity)
    #expect(value(.nan).isNaN)
    let weights = VectorMath.weight(Lanes(repeating: -1e38))
    #expect(weights == .zero)
    #expect(VectorMath.weight(Lanes(repeating: .nan))[15].isNaN)
  }

  @Test func hyperbolicTangentIsWithinThreeUnits() {
    for range: ClosedRange<Float> in [-12...12, -0.7...0.7, -1e-3...1e-3] {
      #expect(largestError(range, VectorMath.hyperbolicTangent, tanh) <= 3)
    }
    #expect(VectorMath.hyperbolicTangent(Lanes(repeating: 1e30)) == Lanes(repeating: 1))
    #expect(VectorMath.hyperbolicTangent(Lanes(repeating: -1e30)) == Lanes(repeating: -1))
    #expect(VectorMath.hyperbolicTangent(Lanes(repeating: .nan))[0].isNaN)
  }

  @Test func logisticIsWithinThreeUnits() {
    for range: ClosedRange<Float> in [-80...80, -1...1] {
      #expect(largestError(range, VectorMath.logistic) { 1 / (1 + exp(-$0)) } <= 3)
    }
  }

  @Test func rootsAreRoundedExactly() {
    for range: ClosedRange<Float> in [0...2, 1e-30...1e-28, 1e30...3e38] {
      #expect(largestError(range, VectorMath.squareRoot) { $0.squareRoot() } <= 0.5)
    }
    #expect(VectorMath.squareRoot(Lanes(repeating: -1))[0].isNaN)
  }

  @Test func theLargerOfALaneThatIsNoNumberIsTheSecond() {
    let found = VectorMath.larger(Lanes(repeating: 2), Lanes(0, 1, 3, .nan, 2, -1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 5))
    #expect(found[0] == 2 && found[2] == 3 && found[6] == 9 && found[15] == 5)
    #expect(found[3].isNaN)
    #expect(VectorMath.larger(Lanes(repeating: .nan), Lanes(repeating: 1)) == Lanes(repeating: 1))
  }
}
