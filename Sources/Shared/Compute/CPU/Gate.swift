// SPDX-License-Identifier: Apache-2.0

// y = activation(gate) · up. Shazeer 2020, https://arxiv.org/abs/2002.05202; SiLU as in Elfwing et
// al. 2017, GELU's tanh form as in Hendrycks & Gimpel 2016.

/// An activation on vectors. A type and not a closure: only so do the kernels get it inlined.
private protocol Activation {
  /// The activation of x and its derivative.
  static func valueAndSlope(_ x: Lanes) -> (value: Lanes, slope: Lanes)
}

private enum SiLU: Activation {
  @inline(__always)
  static func valueAndSlope(_ x: Lanes) -> (value: Lanes, slope: Lanes) {
    let s = logistic(x)
    return (x * s, s * (1 + x * (1 - s)))
  }
}

private enum GELUTanh: Activation {
  @inline(__always)
  static func valueAndSlope(_ x: Lanes) -> (value: Lanes, slope: Lanes) {
    // With u the argument of tanh, (1 + tanh u) / 2 = s(2u) and 1 - tanh² u = 4 s(2u) (1 - s(2u)).
    let twiceRoot = Lanes(repeating: 1.595_769_121_605_731)  // 2·√(2/π)
    let square = x * x
    let s = logistic(twiceRoot * x.addingProduct(0.044_715 * square, x))
    let inner = twiceRoot * (1 + 0.134_145 * square)
    return (x * s, s.addingProduct(x * s * (1 - s), inner))
  }
}

/// y (N) = activation(gate) · up.
private func gateForwardKernel<A: Activation>(
  _: A.Type, y: UnsafeMutablePointer<Float>, gate: UnsafePointer<Float>, up: UnsafePointer<Float>,
  N: Int
) {
  var i = 0
  while i &+ laneCount <= N {
    y.store(A.valueAndSlope(gate.lanes(at: i)).value * up.lanes(at: i), at: i)
    i = i &+ laneCount
  }
  guard i < N else { return }
  let left = N &- i
  let value = A.valueAndSlope(gate.lanes(at: i, count: left)).value
  y.store(value * up.lanes(at: i, count: left), at: i, count: left)
}

/// dGate (N) = dy · up · activation'(gate), dUp (N) = dy · activation(gate). dGate may be gate, and
/// dUp may be up.
private func gateBackwardKernel<A: Activation>(
  _: A.Type, dGate: UnsafeMutablePointer<Float>, dUp: UnsafeMutablePointer<Float>,
  dy: UnsafePointer<Float>, gate: UnsafePointer<Float>, up: UnsafePointer<Float>, N: Int
) {
  var i = 0
  while i &+ laneCount <= N {
    let (value, slope) = A.valueAndSlope(gate.lanes(at: i))
    let (dyLanes, upLanes) = (dy.lanes(at: i), up.lanes(at: i))
    dGate.store(dyLanes * upLanes * slope, at: i)
    dUp.store(dyLanes * value, at: i)
    i = i &+ laneCount
  }
  guard i < N else { return }
  let left = N &- i
  let (value, slope) = A.valueAndSlope(gate.lanes(at: i, count: left))
  let (dyLanes, upLanes) = (dy.lanes(at: i, count: left), up.lanes(at: i, count: left))
  dGate.store(dyLanes * upLanes * slope, at: i, count: left)
  dUp.store(dyLanes * value, at: i, count: left)
}

extension CPUDevice {
  package func gateForward(_ y: Buffer, gate: Buffer, up: Buffer, activation: GateActivation) {
    let count = y.count
    let (y, gate, up) = (y.pointer, gate.values(count), up.values(count))
    loop.chunks(of: count, by: elementChunk) { range in
      let i = range.lowerBound
      switch activation {
      case .silu:
        gateForwardKernel(SiLU.self, y: y + i, gate: gate + i, up: up + i, N: range.count)
      case .geluTanh:
        gateForwardKernel(GELUTanh.self, y: y + i, gate: gate + i, up: up + i, N: range.count)
      }
    }
  }

  package func gateBackward(
    dGate: Buffer, dUp: Buffer, dy: Buffer, gate: Buffer, up: Buffer, activation: GateActivation
  ) {
    let count = dy.count
    let (dGate, dUp) = (dGate.values(count), dUp.values(count))
    let (dy, gate, up) = (dy.pointer, gate.values(count), up.values(count))
    loop.chunks(of: count, by: elementChunk) { range in
      let i = range.lowerBound
      let (dGate, dUp, dy, gate, up) = (dGate + i, dUp + i, dy + i, gate + i, up + i)
      switch activation {
      case .silu:
        gateBackwardKernel(
          SiLU.self, dGate: dGate, dUp: dUp, dy: dy, gate: gate, up: up, N: range.count)
      case .geluTanh:
        gateBackwardKernel(
          GELUTanh.self, dGate: dGate, dUp: dUp, dy: dy, gate: gate, up: up, N: range.count)
      }
    }
  }
}
