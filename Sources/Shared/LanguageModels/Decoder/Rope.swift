// SPDX-License-Identifier: Apache-2.0
import Glibc

/// How the frequencies of a rotary embedding are stretched for longer contexts.
package enum RopeScaling: Sendable, Equatable {
  case none
  /// Frequencies divided by `factor`.
  case linear(factor: Double)
  /// Llama 3.1: long waves are slowed by `factor`, short ones kept, those between blended.
  case llama3(factor: Double, lowFactor: Double, highFactor: Double, originalContext: Int)
  /// Dynamic NTK: an example of L > `context` tokens has the base θ·(factor·L/context - (factor -
  /// 1))^(d/(d-2)); shorter ones have θ.
  case dynamic(factor: Double, context: Int)
  /// YaRN (Peng et al. 2023, https://arxiv.org/abs/2309.00071): frequencies of more than `fastTurns`
  /// turns in the original context are kept, those of less than `slowTurns` divided by `factor`, those
  /// between blended; the bounds are whole indices if it `rounds`.
  case yarn(
    factor: Double, fastTurns: Double, slowTurns: Double, originalContext: Int, rounds: Bool)
  /// Frequency i divided by `divisors[i]` (llama.cpp's rope_freqs tensor).
  case divisors([Float])
  /// LongRoPE (Ding et al. 2024, https://arxiv.org/abs/2402.13753): frequency i divided by `short[i]`
  /// in examples of up to `originalContext` tokens, by `long[i]` in longer ones.
  case longRope(short: [Double], long: [Double], originalContext: Int)
}

/// One kind of rotary position embedding (Su et al. 2021, https://arxiv.org/abs/2104.09864).
package struct RopeConfig: Sendable, Equatable {
  package var theta: Double
  /// Dimensions of each head that rotate; the rest passes through.
  package var rotarySize: Int
  package var scaling: RopeScaling
  /// Factor of cosines and sines.
  package var attentionFactor: Float

  package init(
    theta: Double, rotarySize: Int, scaling: RopeScaling = .none, attentionFactor: Float = 1
  ) {
    self.theta = theta
    self.rotarySize = rotarySize
    self.scaling = scaling
    self.attentionFactor = attentionFactor
  }

  /// Radians per position, one for each pair of dimensions; float32 as in the models' own code. With
  /// ``RopeScaling/longRope(short:long:originalContext:)``, those of short examples.
  package var inverseFrequencies: [Float] {
    if case .longRope(let short, _, _) = scaling { return divided(by: short) }
    return (0..<rotarySize / 2).map { scaled(Float(1 / wave($0)), at: $0) }
  }

  /// What an example of `length` tokens uses; nil where that is the same for all lengths.
  package func inverseFrequencies(length: Int) -> [Float]? {
    guard case .dynamic(let factor, let context) = scaling, length > context, rotarySize > 2 else {
      return nil
    }
    let growth = factor * Double(length) / Double(context) - (factor - 1)
    var stretched = self
    stretched.theta = theta * pow(growth, Double(rotarySize) / Double(rotarySize - 2))
    stretched.scaling = .none
    return stretched.inverseFrequencies
  }

  /// What examples longer than the context use instead, where they differ from others.
  package var longExamples: (context: Int, inverseFrequencies: [Float])? {
    guard case .longRope(_, let long, let context) = scaling else { return nil }
    return (context, divided(by: long))
  }

  /// Whether an example of `length` tokens has other frequencies than its first `length - 1` alone.
  package func changesFrequencies(at length: Int) -> Bool {
    if case .dynamic(_, let context) = scaling { return length > context && rotarySize > 2 }
    return longExamples.map { length == $0.context + 1 } ?? false
  }

  /// θ^(2i/d)
  private func wave(_ index: Int) -> Double {
    pow(theta, Double(2 * index) / Double(rotarySize))
  }

  private func divided(by divisors: [Double]) -> [Float] {
    divisors.enumerated().map { Float(1 / ($1 * wave($0))) }
  }

  private func scaled(_ frequency: Float, at index: Int) -> Float {
    switch scaling {
    case .none, .longRope, .dynamic: return frequency
    case .yarn(let factor, let fast, let slow, let original, let rounds):
      // The index whose wave turns so often in the original context.
      func place(_ turns: Double) -> Double {
        Double(rotarySize) * log(Double(original) / (turns * 2 * Double.pi)) / (2 * log(theta))
      }
      let low = max(rounds ? place(fast).rounded(.down) : place(fast), 0)
      let high = min(rounds ? place(slow).rounded(.up) : place(slow), Double(rotarySize - 1))
      let width = high == low ? 0.001 : high - low
      let stretched = min(1, max(0, (Double(index) - low) / width))
      let exact = 1 / wave(index)
      return Float(exact / factor * stretched + exact * (1 - stretched))
    case .linear(let factor): return Float(Double(frequency) / factor)
    case .divisors(let divisors): return frequency / divisors[index]
    case .llama3(let factor, let low, let high, let original):
      let wavelength = 2 * Double.pi / Double(frequency)
      if wavelength > Double(original) / low { return Float(Double(frequency) / factor) }
      if wavelength < Double(original) / high { return frequency }
      let smooth = (Double(original) / wavelength - low) / (high - low)
      return Float((1 - smooth) * Double(frequency) / factor + smooth * Double(frequency))
    }
  }
}

/// Cosines and sines by position, for packed rows whose positions restart at every example.
struct RopeTable {
  let half: Int
  private let config: RopeConfig
  private var angles: RopeAngles
  /// Examples with more tokens than this take `longAngles`.
  private let context: Int
  private var longAngles: RopeAngles?

  init(_ config: RopeConfig) {
    self.config = config
    let factor = config.attentionFactor
    angles = RopeAngles(frequencies: config.inverseFrequencies, factor: factor)
    half = config.rotarySize / 2
    let long = config.longExamples
    context = long?.context ?? .max
    longAngles = long.map { RopeAngles(frequencies: $0.inverseFrequencies, factor: factor) }
  }

  /// Cosines and sines (N, half) of packed rows; each example's own length picks its frequencies.
  mutating func values(starts: [Int32]) -> (cosines: [Float], sines: [Float]) {
    var result: (cosines: [Float], sines: [Float]) = ([], [])
    let count = Int(starts.last ?? 0) * half
    result.cosines.reserveCapacity(count)
    result.sines.reserveCapacity(count)
    for (start, end) in zip(starts, starts.dropFirst()) {
      let length = Int(end) - Int(start)
      if let frequencies = config.inverseFrequencies(length: length) {
        var own = RopeAngles(frequencies: frequencies, factor: config.attentionFactor)
        own.append(length, to: &result)
      } else if length > context, longAngles != nil {
        longAngles?.append(length, to: &result)
      } else {
        angles.append(length, to: &result)
      }
    }
    return result
  }

  /// Cosines and sines (N, half) of single tokens at `places`, each the last of its example.
  mutating func values(places: [Int]) -> (cosines: [Float], sines: [Float]) {
    var result: (cosines: [Float], sines: [Float]) = ([], [])
    for place in places {
      if let frequencies = config.inverseFrequencies(length: place + 1) {
        var own = RopeAngles(frequencies: frequencies, factor: config.attentionFactor)
        own.append(place: place, to: &result)
      } else if place >= context, longAngles != nil {
        longAngles?.append(place: place, to: &result)
      } else {
        angles.append(place: place, to: &result)
      }
    }
    return result
  }
}

/// Cosines and sines of one set of frequencies, made once and extended when a longer example comes.
private struct RopeAngles {
  let frequencies: [Float]
  let factor: Float
  private var positions = 0
  private var cosines: [Float] = []
  private var sines: [Float] = []

  init(frequencies: [Float], factor: Float) {
    self.frequencies = frequencies
    self.factor = factor
  }

  /// Appends positions 0..<length.
  mutating func append(_ length: Int, to result: inout (cosines: [Float], sines: [Float])) {
    extend(to: length)
    result.cosines.append(contentsOf: cosines[..<(length * frequencies.count)])
    result.sines.append(contentsOf: sines[..<(length * frequencies.count)])
  }

  /// Appends one position.
  mutating func append(place: Int, to result: inout (cosines: [Float], sines: [Float])) {
    extend(to: place + 1)
    let range = place * frequencies.count..<(place + 1) * frequencies.count
    result.cosines.append(contentsOf: cosines[range])
    result.sines.append(contentsOf: sines[range])
  }

  private mutating func extend(to count: Int) {
    while positions < count {
      for frequency in frequencies {
        let angle = Double(Float(positions) * frequency)
        cosines.append(Float(cos(angle)) * factor)
        sines.append(Float(sin(angle)) * factor)
      }
      positions += 1
    }
  }
}
