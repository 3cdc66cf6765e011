// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// The length score L, the heuristic quality Q and the dual score D (Documentation/scores.md).
package enum DualScore {
  /// What a context window gets out of a text of `n` tokens: the logarithm of the tokens that fit, as
  /// a share of that of the full window, times the share of the text that fits.
  ///
  ///     L(n) = ln(1 + min(n, C)) / ln(1 + C) · min(1, C / n),   L(0) = 0
  ///
  /// - Parameters:
  ///   - n: tokens, or words where no tokenizer is known; 0 or more.
  ///   - context: the window C, 1 or more.
  /// - Returns: 0...1; 1 for n = C.
  package static func length(_ n: Int, context: Int) -> Double {
    if n <= 0 || context <= 0 { return 0 }
    let fitting = Double(min(n, context))
    return log(1 + fitting) / log(1 + Double(context)) * (fitting / Double(n))
  }

  /// The geometric mean of the signals' qualities: one fatal defect is not bought back by eight good
  /// signs.
  ///
  /// - Returns: nil for no qualities at all.
  package static func quality(of qualities: [Double]) -> Double? {
    if qualities.isEmpty { return nil }
    var sum = 0.0
    for quality in qualities { sum += log(quality) }
    return exp(sum / Double(qualities.count))
  }

  /// D = L^a · Q^(1-a): 0 if either is, and the exponents are the elasticities.
  ///
  /// - Parameter lengthWeight: a, within 0...1.
  package static func score(length: Double, quality: Double, lengthWeight: Double) -> Double {
    pow(length, lengthWeight) * pow(quality, 1 - lengthWeight)
  }

  static func exponential(_ value: Double) -> Double { exp(value) }

  /// Scores are written with six decimals, so that the last bits of a system's logarithm do not show.
  package static func rounded(_ value: Double) -> Double {
    let scaled = (value * 1e6).rounded()
    return scaled.isFinite ? scaled / 1e6 : value
  }
}
