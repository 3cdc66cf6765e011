// SPDX-License-Identifier: Apache-2.0

// y = activation(gate) · up. Shazeer 2020, https://arxiv.org/abs/2002.05202; SiLU as in Elfwing et
// al. 2017, GELU's tanh form as in Hendrycks & Gimpel 2016.

private let geluRoot: Float = 0.797_884_560_802_865_4  // √(2/π)
private let geluCubic: Float = 0.044_715

/// activation(x).
@inline(__always)
private func activate(_ x: Lanes, _ activation: GateActivation) -> Lanes {
  switch activation {
  case .silu: return x * logistic(x)
  case .geluTanh:
    let t = hyperbolicTangent(geluRoot * x.addingProduct(geluCubic * x * x, x))
    return 0.5 * x * (1 + t)
  }
}

/// activation(x) and its derivative.
@inline(__always)
private func activateWithSlope(
  _ x: Lanes, _ activation: GateActivation
) -> (value: Lanes, slope: Lanes) {
  switch activation {
  case .silu:
    let s = logistic(x)
    return (x * s, s * (1 + x * (1 - s)))
  case .geluTanh:
    let t = hyperbolicTangent(geluRoot * x.addingProduct(geluCubic * x * x, x))
    let inner = geluRoot * (1 + 3 * geluCubic * x * x)
    return (0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)
  }
}

/// y (N) = activation(gate) · up.
func gateForwardKernel(
  y: UnsafeMutablePointer<Float>, gate: UnsafePointer<Float>, up: UnsafePointer<Float>,
  activation: GateActivation, N: Int
) {
  var i = 0
  while i &+ laneCount <= N {
    y.store(activate(gate.lanes(at: i), activation) * up.lanes(at: i), at: i)
    i = i &+ laneCount
  }
  guard i < N else { return }
  let left = N &- i
  let value = activate(gate.lanes(at: i, count: left), activation) * up.lanes(at: i, count: left)
  y.store(value, at: i, count: left)
}

/// dGate (N) = dy · up · activation'(gate), dUp (N) = dy · activation(gate). dGate may be gate, and
/// dUp may be up.
func gateBackwardKernel(
  dGate: UnsafeMutablePointer<Float>, dUp: UnsafeMutablePointer<Float>,
  dy: UnsafePointer<Float>, gate: UnsafePointer<Float>, up: UnsafePointer<Float>,
  activation: GateActivation, N: Int
) {
  var i = 0
  while i &+ laneCount <= N {
    let (value, slope) = activateWithSlope(gate.lanes(at: i), activation)
    let (dyLanes, upLanes) = (dy.lanes(at: i), up.lanes(at: i))
    dGate.store(dyLanes * upLanes * slope, at: i)
    dUp.store(dyLanes * value, at: i)
    i = i &+ laneCount
  }
  guard i < N else { return }
  let left = N &- i
  let (value, slope) = activateWithSlope(gate.lanes(at: i, count: left), activation)
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
      gateForwardKernel(
        y: y + i, gate: gate + i, up: up + i, activation: activation, N: range.count)
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
      gateBackwardKernel(
        dGate: dGate + i, dUp: dUp + i, dy: dy + i, gate: gate + i, up: up + i,
        activation: activation, N: range.count)
    }
  }
}
