// SPDX-License-Identifier: Apache-2.0
import Glibc

/// How the frequencies of a rotary embedding are stretched for longer contexts.
package enum RopeScaling: Sendable, Equatable {
  case none
  /// Frequencies divided by `factor`.
  case linear(factor: Double)
  /// Llama 3.1: long waves are slowed by `factor`, short ones kept, those between blended.
  case llama3(factor: Double, lowFactor: Double, highFactor: Double, originalContext: Int)
  /// Frequency i divided by `divisors[i]` (llama.cpp's rope_freqs tensor).
  case divisors([Float])
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

  /// Radians per position, one for each pair of dimensions; float32 as in the models' own code.
  package var inverseFrequencies: [Float] {
    let half = rotarySize / 2
    return (0..<half).map { index in
      let exponent = Double(2 * index) / Double(rotarySize)
      let frequency = Float(1 / pow(theta, exponent))
      return scaled(frequency, at: index)
    }
  }

  private func scaled(_ frequency: Float, at index: Int) -> Float {
    switch scaling {
    case .none: return frequency
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

/// Cosines and sines by position, made once and extended when a longer example comes.
struct RopeTable {
  let half: Int
  private let frequencies: [Float]
  private let factor: Float
  private var positions = 0
  private var cosines: [Float] = []
  private var sines: [Float] = []

  init(_ config: RopeConfig) {
    frequencies = config.inverseFrequencies
    half = frequencies.count
    factor = config.attentionFactor
  }

  /// Cosines and sines (N, half) of packed rows: positions restart at every example.
  mutating func values(starts: [Int32]) -> (cosines: [Float], sines: [Float]) {
    let lengths = zip(starts, starts.dropFirst()).map { Int($1) - Int($0) }
    extend(to: lengths.max() ?? 0)
    var result: (cosines: [Float], sines: [Float]) = ([], [])
    let count = Int(starts.last ?? 0) * half
    result.cosines.reserveCapacity(count)
    result.sines.reserveCapacity(count)
    for length in lengths {
      result.cosines.append(contentsOf: cosines[..<(length * half)])
      result.sines.append(contentsOf: sines[..<(length * half)])
    }
    return result
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
