// SPDX-License-Identifier: Apache-2.0
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

/// The larger of each pair of lanes; a lane of `b` that is not a number is left out.
@inline(__always)
func larger(_ a: Lanes, _ b: Lanes) -> Lanes { a.replacing(with: b, where: b .> a) }

/// The sum of all lanes, halves first.
@inline(__always)
func sum(_ x: Lanes) -> Float {
  let eight = x.lowHalf + x.highHalf
  let four = eight.lowHalf + eight.highHalf
  let two = four.lowHalf + four.highHalf
  return two[0] + two[1]
}

/// The largest lane, under the rule of ``larger(_:_:)``.
@inline(__always)
func largest(_ x: Lanes) -> Float {
  let eight = x.lowHalf.replacing(with: x.highHalf, where: x.highHalf .> x.lowHalf)
  let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
  let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
  return two[1] > two[0] ? two[1] : two[0]
}

/// e^x in each lane, within about 1.5 units of the last place.
///
/// x = n·ln 2 + r with |r| <= ln 2 / 2; e^r by the polynomial of Cephes' expf (Moshier), and 2^n by
/// adding n to the exponent. Below -87.33 the result is 0 (no subnormal numbers), above 88.37
/// infinity; what is not a number stays so.
@inline(__always)
func exponential(_ x: Lanes) -> Lanes {
  // Adding 1.5·2^23 rounds to an integer, which then stands in the low bits.
  let rounder = Lanes(repeating: 12_582_912)
  let shifted = rounder.addingProduct(x, Lanes(repeating: 1.442_695_04))
  let n = shifted - rounder
  var r = x.addingProduct(n, Lanes(repeating: -0.693_359_375))
  r = r.addingProduct(n, Lanes(repeating: 2.121_944_40e-4))
  var p = Lanes(repeating: 1.398_199_950_7e-3)
    .addingProduct(r, Lanes(repeating: 1.987_569_150_0e-4))
  p = Lanes(repeating: 8.333_451_907_3e-3).addingProduct(p, r)
  p = Lanes(repeating: 4.166_579_589_4e-2).addingProduct(p, r)
  p = Lanes(repeating: 1.666_666_545_9e-1).addingProduct(p, r)
  p = Lanes(repeating: 5.000_000_120_1e-1).addingProduct(p, r)
  let power = (r + 1).addingProduct(p, r * r)
  let exponent = unsafeBitCast(shifted, to: SIMD16<UInt32>.self) &<< 23
  let bits = unsafeBitCast(power, to: SIMD16<UInt32>.self) &+ exponent
  return unsafeBitCast(bits, to: Lanes.self)
    .replacing(with: 0, where: x .< -87.33)
    .replacing(with: .infinity, where: x .> 88.37)
}

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
  let magnitude = x.replacing(with: -x, where: x .< 0)
  let large = 1 - 2 / (exponential(magnitude + magnitude) + 1)
  return small.replacing(with: large.replacing(with: -large, where: x .< 0), where: magnitude .> 0.625)
}

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
