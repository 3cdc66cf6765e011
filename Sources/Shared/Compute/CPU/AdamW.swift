// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The factors of one AdamW update, the same for all parameters.
struct AdamWFactors {
  let keepFirst: Float
  let addFirst: Float
  let keepSecond: Float
  let addSecond: Float
  /// 1 - learning rate · weight decay.
  let decay: Float
  /// Learning rate / (1 - β1^t).
  let step: Float
  /// (1 - β2^t)^(-1/2).
  let secondCorrection: Float
  let epsilon: Float

  init(_ settings: AdamWSettings) {
    keepFirst = Float(settings.beta1)
    addFirst = Float(1 - settings.beta1)
    keepSecond = Float(settings.beta2)
    addSecond = Float(1 - settings.beta2)
    decay = Float(1 - settings.learningRate * settings.weightDecay)
    step = Float(settings.learningRate / (1 - pow(settings.beta1, Double(settings.step))))
    secondCorrection = Float(1 / (1 - pow(settings.beta2, Double(settings.step))).squareRoot())
    epsilon = Float(settings.epsilon)
  }
}

/// One update of p (N) from its gradient g (N) and moments m, v (N), in place.
///
/// Loshchilov & Hutter 2019, algorithm 2, https://arxiv.org/abs/1711.05101, in the order of
/// operations of torch.optim.AdamW.
func adamWKernel(
  p: UnsafeMutablePointer<Float>, g: UnsafePointer<Float>, m: UnsafeMutablePointer<Float>,
  v: UnsafeMutablePointer<Float>, factors: AdamWFactors, N: Int
) {
  @inline(__always)
  func update(_ p: Lanes, _ g: Lanes, _ m: Lanes, _ v: Lanes) -> (p: Lanes, m: Lanes, v: Lanes) {
    let first = factors.keepFirst * m + factors.addFirst * g
    let second = factors.keepSecond * v + factors.addSecond * g * g
    let denominator = squareRoot(second) * factors.secondCorrection + factors.epsilon
    return (p * factors.decay - factors.step * (first / denominator), first, second)
  }
  var i = 0
  while i &+ laneCount <= N {
    let new = update(p.lanes(at: i), g.lanes(at: i), m.lanes(at: i), v.lanes(at: i))
    p.store(new.p, at: i)
    m.store(new.m, at: i)
    v.store(new.v, at: i)
    i = i &+ laneCount
  }
  guard i < N else { return }
  let left = N &- i
  let new = update(
    p.lanes(at: i, count: left), g.lanes(at: i, count: left), m.lanes(at: i, count: left),
    v.lanes(at: i, count: left))
  p.store(new.p, at: i, count: left)
  m.store(new.m, at: i, count: left)
  v.store(new.v, at: i, count: left)
}

extension CPUDevice {
  package func adamW(
    parameter: Buffer, gradient: Buffer, firstMoment: Buffer, secondMoment: Buffer,
    settings: AdamWSettings
  ) {
    let count = parameter.count
    let (p, g) = (parameter.pointer, gradient.values(count))
    let (m, v) = (firstMoment.values(count), secondMoment.values(count))
    let factors = AdamWFactors(settings)
    loop.chunks(of: count, by: elementChunk) { range in
      let i = range.lowerBound
      adamWKernel(p: p + i, g: g + i, m: m + i, v: v + i, factors: factors, N: range.count)
    }
  }
}
