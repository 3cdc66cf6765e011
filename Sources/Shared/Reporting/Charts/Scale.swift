// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Maps values to positions in a drawing, and knows where the ticks of its axis belong.
package struct Scale {
  package enum Kind: Sendable { case linear, binaryLogarithm }

  /// A tick: its value and how it is written.
  package struct Tick: Equatable {
    package let value: Double
    package let text: String
  }

  package let kind: Kind
  /// The values at the two ends; `low < high`, and both above 0 on a logarithmic scale.
  package let low: Double
  package let high: Double
  package let ticks: [Tick]
  private let start: Double
  private let end: Double

  /// A scale over `values` whose ends are round numbers.
  ///
  /// - Parameters:
  ///   - values: what has to fit on it; values that are not finite, and on a logarithmic scale
  ///     those below 1, are passed over.
  ///   - range: the positions of the two ends, in pixels.
  ///   - tickCount: about how many ticks there is room for.
  ///   - whole: the values are counts: no tick between two of them.
  ///   - isExact: the ends are the least and the greatest value instead of round numbers.
  package init(
    _ kind: Kind, over values: [Double], to range: (Double, Double), tickCount: Int = 5,
    whole: Bool = false, isExact: Bool = false
  ) {
    self.kind = kind
    (start, end) = range
    let least = kind == .linear ? -1e100 : 1
    let usable = values.filter { $0.isFinite && $0 >= least && $0 <= 1e100 }
    let (least0, most0) = (usable.min() ?? least.magnitude0, usable.max() ?? 1)
    switch kind {
    case .linear:
      let step = Scale.step(from: least0, to: most0, count: tickCount, whole: whole)
      let isExact = isExact && most0 > least0
      let first = (least0 / step).rounded(isExact ? .up : .down)
      var last = (most0 / step).rounded(isExact ? .down : .up)
      if last <= first && !isExact { last = first + 1 }
      low = isExact ? least0 : first * step
      high = isExact ? most0 : last * step
      let digits = max(0, min(12, Int((-log10(step)).rounded(.up)) + Scale.extraDigit(step)))
      ticks = (0...Int(max(0, min(last - first, 50)))).map {
        let value = (first + Double($0)) * step
        return Tick(
          value: value,
          text: abs(value) >= 1e6
            ? NumberText.significant(value, 3)
            : digits == 0 && abs(value) >= 1000
              ? NumberText.count(Int(value)) : NumberText.fixed(value, digits))
      }
    case .binaryLogarithm:
      let first = log2(least0).rounded(.down)
      let last = max(log2(most0).rounded(.up), first + 1)
      low = exp2(first)
      high = exp2(last)
      let stride = max(1, ((last - first) / Double(max(1, tickCount))).rounded(.up))
      ticks = (0...Int((last - first) / stride)).map {
        let value = exp2(first + Double($0) * stride)
        return Tick(
          value: value,
          text: value < 1e6 ? NumberText.count(Int(value)) : NumberText.significant(value, 3))
      }
    }
  }

  /// Where `value` belongs; values beyond an end, or none at all, are put at that end.
  package func position(_ value: Double) -> Double {
    guard value.isFinite else { return start }
    let clamped = min(max(value, low), high)
    let share =
      kind == .linear
      ? (clamped - low) / (high - low) : (log2(clamped) - log2(low)) / (log2(high) - log2(low))
    return start + share * (end - start)
  }

  /// The distance of ticks: 1, 2, 2.5 or 5 times a power of ten.
  static func step(from low: Double, to high: Double, count: Int, whole: Bool) -> Double {
    var span = high - low
    if span <= 0 { span = max(abs(high) * 0.1, whole ? 1 : 1e-3) }
    let raw = span / Double(max(1, count))
    let power = pow(10, floor(log10(raw)))
    let factor = raw / power
    var step =
      (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 2.5 ? 2.5 : factor <= 5 ? 5 : 10) * power
    if whole { step = step == 2.5 ? 5 : max(1, step) }
    return step
  }

  /// 1 where the step is 2.5 times a power of ten, which takes one more decimal.
  private static func extraDigit(_ step: Double) -> Int {
    let digits = max(0, (-log10(step)).rounded(.up))
    let scaled = step * pow(10, digits)
    return abs(scaled - scaled.rounded()) > 1e-6 ? 1 : 0
  }
}

extension Double {
  /// 0 for the open end of a linear scale, else the value itself: where an empty scale starts.
  fileprivate var magnitude0: Double { self < 0 ? 0 : self }
}
