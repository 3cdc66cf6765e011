// SPDX-License-Identifier: Apache-2.0
internal import CInstructions
import Glibc

/// The vector that all kernels work with: a register of AVX-512, two of AVX2.
typealias Lanes = SIMD16<Float>

/// Number of lanes, and the step of every vector loop.
let laneCount = 16

extension UnsafePointer<Float> {
  @inline(__always)
  func lanes(at index: Int) -> Lanes {
    UnsafeRawPointer(self + index).loadUnaligned(as: Lanes.self)
  }

  /// The first `count` values at `index`, 0 in the other lanes. Reads nothing past them.
  func lanes(at index: Int, count: Int) -> Lanes {
    var lanes = Lanes.zero
    for lane in 0..<min(count, laneCount) { lanes[lane] = self[index &+ lane] }
    return lanes
  }
}

extension UnsafeMutablePointer<Float> {
  @inline(__always)
  func lanes(at index: Int) -> Lanes { UnsafePointer(self).lanes(at: index) }

  func lanes(at index: Int, count: Int) -> Lanes {
    UnsafePointer(self).lanes(at: index, count: count)
  }

  @inline(__always)
  func store(_ lanes: Lanes, at index: Int) {
    UnsafeMutableRawPointer(self + index).storeBytes(of: lanes, as: Lanes.self)
  }

  /// Writes the first `count` lanes only.
  func store(_ lanes: Lanes, at index: Int, count: Int) {
    for lane in 0..<min(count, laneCount) { self[index &+ lane] = lanes[lane] }
  }
}

/// The bits of the lanes. Choices between lanes are made with them: comparisons and `replacing` of SIMD
/// types may become loops over the lanes, whole-vector arithmetic does not.
typealias LaneBits = SIMD16<Int32>

@inline(__always)
func bits(_ x: Lanes) -> LaneBits { unsafeBitCast(x, to: LaneBits.self) }

@inline(__always)
func lanes(_ bits: LaneBits) -> Lanes { unsafeBitCast(bits, to: Lanes.self) }

/// All bits set in the lanes below 0 (-0 included), none in the others.
@inline(__always)
func negativeMask(_ x: Lanes) -> LaneBits { bits(x) &>> 31 }

/// `a` where `mask` has all bits set, `b` where it has none.
@inline(__always)
func select(_ mask: LaneBits, _ a: LaneBits, _ b: LaneBits) -> LaneBits { (a & mask) | (b & ~mask) }

/// The larger of each pair of lanes; `b` where one of them is no number.
@inline(__always)
func larger(_ a: Lanes, _ b: Lanes) -> Lanes { cl_larger(a, b) }

/// The square root of each lane.
@inline(__always)
func squareRoot(_ x: Lanes) -> Lanes { cl_square_root(x) }

/// The sum of all lanes, halves first.
@inline(__always)
func sum(_ x: Lanes) -> Float {
  let eight = x.lowHalf + x.highHalf
  let four = eight.lowHalf + eight.highHalf
  let two = four.lowHalf + four.highHalf
  return two[0] + two[1]
}

/// The largest lane.
@inline(__always)
func largest(_ x: Lanes) -> Float {
  var x = larger(x, Lanes(lowHalf: x.highHalf, highHalf: x.lowHalf))
  let eight = x.lowHalf
  x = larger(
    x, Lanes(lowHalf: SIMD8(lowHalf: eight.highHalf, highHalf: eight.lowHalf), highHalf: eight))
  let first = x[0] > x[1] ? x[0] : x[1]
  let second = x[2] > x[3] ? x[2] : x[3]
  return first > second ? first : second
}

/// e^x where x is at most about 100 in size.
///
/// x = n·ln 2 + r with |r| <= ln 2 / 2; e^r by the polynomial of Cephes' expf (Moshier), times 2^n.
@inline(__always)
private func smallExponential(_ x: Lanes) -> Lanes {
  // Adding 1.5·2^23 rounds to an integer.
  let rounder = Lanes(repeating: 12_582_912)
  let n = rounder.addingProduct(x, Lanes(repeating: 1.442_695_04)) - rounder
  var r = x.addingProduct(n, Lanes(repeating: -0.693_359_375))
  r = r.addingProduct(n, Lanes(repeating: 2.121_944_40e-4))
  var p = Lanes(repeating: 1.398_199_950_7e-3)
    .addingProduct(r, Lanes(repeating: 1.987_569_150_0e-4))
  p = Lanes(repeating: 8.333_451_907_3e-3).addingProduct(p, r)
  p = Lanes(repeating: 4.166_579_589_4e-2).addingProduct(p, r)
  p = Lanes(repeating: 1.666_666_545_9e-1).addingProduct(p, r)
  p = Lanes(repeating: 5.000_000_120_1e-1).addingProduct(p, r)
  return cl_scale((r + 1).addingProduct(p, r * r), n)
}

/// e^x in each lane, within 2 units of the last place: 0 below -104, infinity above 88.73. What is no
/// number stays none.
@inline(__always)
func exponential(_ x: Lanes) -> Lanes {
  weight(cl_smaller(Lanes(repeating: 104), x))
}

/// ``exponential(_:)`` for a softmax, whose exponents never exceed 104.
@inline(__always)
func weight(_ x: Lanes) -> Lanes { smallExponential(cl_larger(Lanes(repeating: -104), x)) }

/// tanh in each lane, within about 2 units of the last place: Cephes' polynomial below 0.625,
/// 1 - 2/(e^2|x| + 1) above.
@inline(__always)
func hyperbolicTangent(_ x: Lanes) -> Lanes {
  let z = x * x
  var p = Lanes(repeating: 2.063_908_879_54e-2)
    .addingProduct(z, Lanes(repeating: -5.704_988_727_45e-3))
  p = Lanes(repeating: -5.373_971_555_31e-2).addingProduct(p, z)
  p = Lanes(repeating: 1.333_144_220_36e-1).addingProduct(p, z)
  p = Lanes(repeating: -3.333_328_194_22e-1).addingProduct(p, z)
  let small = x.addingProduct(p * z, x)
  let sign = bits(x) & LaneBits(repeating: Int32.min)
  let magnitude = lanes(bits(x) & LaneBits(repeating: Int32.max))
  let large = 1 - 2 / (exponential(magnitude + magnitude) + 1)
  return lanes(select(negativeMask(magnitude - 0.625), bits(small), bits(large) | sign))
}

/// The score of a key that a query does not see: so low that its weight is 0, and finite.
let maskedScore: Float = -1e38

/// 1 / (1 + e^-x) in each lane.
@inline(__always)
func logistic(_ x: Lanes) -> Lanes { 1 / (1 + exponential(-x)) }

/// Σ a·b·c over `count` values, lane by lane, then across lanes: an order fixed by the count.
func sumOfProducts(
  _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafePointer<Float>, count: Int
) -> Float {
  var first = Lanes.zero
  var second = Lanes.zero
  var i = 0
  while i &+ 2 &* laneCount <= count {
    first = first.addingProduct(a.lanes(at: i) * b.lanes(at: i), c.lanes(at: i))
    let j = i &+ laneCount
    second = second.addingProduct(a.lanes(at: j) * b.lanes(at: j), c.lanes(at: j))
    i = j &+ laneCount
  }
  while i < count {
    let left = count &- i
    first = first.addingProduct(
      a.lanes(at: i, count: left) * b.lanes(at: i, count: left), c.lanes(at: i, count: left))
    i = i &+ laneCount
  }
  return sum(first + second)
}

/// Σ a·b over `count` values, in an order fixed by the count.
func sumOfProducts(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
  var first = Lanes.zero
  var second = Lanes.zero
  var i = 0
  while i &+ 2 &* laneCount <= count {
    first = first.addingProduct(a.lanes(at: i), b.lanes(at: i))
    second = second.addingProduct(a.lanes(at: i &+ laneCount), b.lanes(at: i &+ laneCount))
    i = i &+ 2 &* laneCount
  }
  while i < count {
    first = first.addingProduct(
      a.lanes(at: i, count: count &- i), b.lanes(at: i, count: count &- i))
    i = i &+ laneCount
  }
  return sum(first + second)
}

/// The functions above, one call each: for tests.
package enum VectorMath {
  package static func exponential(_ x: SIMD16<Float>) -> SIMD16<Float> { Compute.exponential(x) }
  package static func weight(_ x: SIMD16<Float>) -> SIMD16<Float> { Compute.weight(x) }
  package static func hyperbolicTangent(_ x: SIMD16<Float>) -> SIMD16<Float> {
    Compute.hyperbolicTangent(x)
  }
  package static func logistic(_ x: SIMD16<Float>) -> SIMD16<Float> { Compute.logistic(x) }
  package static func squareRoot(_ x: SIMD16<Float>) -> SIMD16<Float> { Compute.squareRoot(x) }
  package static func larger(_ a: SIMD16<Float>, _ b: SIMD16<Float>) -> SIMD16<Float> {
    Compute.larger(a, b)
  }
}
