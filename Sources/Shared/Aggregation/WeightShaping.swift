// SPDX-License-Identifier: Apache-2.0
import Adapters
import Glibc

/// What is made of the counts before they become shares: u_i = m_i · exp(β z_i) · λ_i, then no share
/// above the cap.
///
/// - z_i: the client's quality, standing among the others. Q_i = (Σ_j T_ij q_ij + κ q̄) / (Σ_j T_ij + κ)
///   draws clients of few tokens towards the mean q̄ of all, Q_i being at most 1; z_i = (Q_i − mean) / max(σ, 0.02), cut to
///   ±2; mean and σ over the clients, by m. Free of the scores' unit but for the floor of σ.
/// - λ_i = (T̄_i / T̄)^γ with T̄_i the client's tokens a record and T̄ their mean by m.
/// - Cap: a share above it is cut, the rest raised in proportion, until none is above
///   (water-filling).
///
/// β = γ = 0 without a cap leaves the counts alone, to the bit. A client's quality and lengths are its
/// own claims: exp(±2β) is all that a claimed quality can do, and the cap bounds the whole.
package struct WeightShaping: Sendable, Equatable {
  /// β: 0 leaves quality out.
  package var quality: Double
  /// γ: 0 leaves lengths out; below 0 favours clients of short records.
  package var length: Double
  /// Largest share, in (0, 1].
  package var maximum: Double?

  package init(quality: Double = 0, length: Double = 0, maximum: Double? = nil) {
    self.quality = quality
    self.length = length
    self.maximum = maximum
  }

  /// κ, in tokens.
  private static let shrinkage = 1000.0
  private static let leastDeviation = 0.02
  private static let largestDeviation = 2.0

  /// What is added to the name of the counts, for the metadata; nothing without shaping.
  var suffix: String {
    var parts: [String] = []
    if quality != 0 { parts.append("quality-weight \(quality)") }
    if length != 0 { parts.append("length-weight \(length)") }
    if let maximum { parts.append("max-weight \(maximum)") }
    return parts.map { ", " + $0 }.joined()
  }

  /// - Throws: ``AggregationError/invalidShaping(option:expected:)``.
  func check() throws(AggregationError) {
    for (option, value) in [("quality-weight", quality), ("length-weight", length)]
    where !(value.magnitude <= 10) {
      throw .invalidShaping(option: option, expected: "a number in -10...10")
    }
    if let maximum, !(maximum > 0 && maximum <= 1) {
      throw .invalidShaping(option: "max-weight", expected: "a number in (0, 1]")
    }
  }

  /// - Throws: ``AggregationError/missingCount(path:weights:)`` if `file` does not say what β and γ ask for.
  func checkClaims(of file: AdapterFile) throws(AggregationError) {
    let claims = file.provenance
    func demand(_ isSaid: Bool, _ name: String) throws(AggregationError) {
      if !isSaid { throw .missingCount(path: file.path, weights: name) }
    }
    if quality != 0 {
      try demand(claims?.qualityTokens != nil, "quality_tokens")
      try demand(claims?.tokens != nil, "tokens")
    }
    if length != 0 {
      try demand((claims?.tokens ?? 0) > 0, "tokens")
      try demand((claims?.records ?? 0) > 0, "records")
    }
  }

  /// What a client says of its data.
  package struct Claims: Sendable {
    package var qualityTokens: Double
    package var tokens: Double
    package var records: Double

    package init(qualityTokens: Double, tokens: Double, records: Double) {
      self.qualityTokens = qualityTokens
      self.tokens = tokens
      self.records = records
    }

    init(_ file: AdapterFile) {
      self.init(
        qualityTokens: file.provenance?.qualityTokens ?? 0,
        tokens: Double(file.provenance?.tokens ?? 0),
        records: Double(file.provenance?.records ?? 0))
    }
  }

  /// Shares of the clients, sum 1.
  ///
  /// - Throws: ``AggregationError/noWeight``, ``AggregationError/invalidShaping(option:expected:)``
  ///   if so few clients cannot all stay below the cap.
  package func shares(_ counts: [Double], _ claims: [Claims]) throws(AggregationError) -> [Double] {
    var shares = try ClientWeights.normalized(counts)
    if quality != 0 {
      let standing = Self.standing(claims, by: shares)
      shares = zip(shares, standing).map { $0 * exp(quality * $1) }
    }
    if length != 0 {
      let means = claims.map { $0.tokens / $0.records }
      let mean = zip(means, try ClientWeights.normalized(counts)).reduce(0) { $0 + $1.0 * $1.1 }
      shares = zip(shares, means).map { $0 * pow($1 / mean, length) }
    }
    if quality != 0 || length != 0 { shares = try ClientWeights.normalized(shares) }
    if let maximum { shares = try Self.capped(shares, at: maximum) }
    return shares
  }

  private static func standing(_ claims: [Claims], by shares: [Double]) -> [Double] {
    func mean(_ values: [Double]) -> Double {
      zip(values, shares).reduce(0) { $0 + $1.0 * $1.1 }
    }
    // A mean quality is at most 1, whatever is claimed.
    let sums = claims.map { min($0.qualityTokens, $0.tokens) }
    let tokens = claims.reduce(0) { $0 + $1.tokens }
    let overall = tokens > 0 ? sums.reduce(0, +) / tokens : 0
    let qualities = zip(sums, claims).map {
      ($0 + shrinkage * overall) / ($1.tokens + shrinkage)
    }
    let centre = mean(qualities)
    let deviation = mean(qualities.map { ($0 - centre) * ($0 - centre) }).squareRoot()
    return qualities.map {
      let value = ($0 - centre) / max(deviation, leastDeviation)
      return min(max(value, -largestDeviation), largestDeviation)
    }
  }

  private static func capped(
    _ shares: [Double], at maximum: Double
  ) throws(AggregationError) -> [Double] {
    let open = shares.filter { $0 > 0 }.count
    guard maximum * Double(open) >= 1 - 1e-12 else {
      throw .invalidShaping(
        option: "max-weight", expected: "at least 1/\(open), the clients that have weight")
    }
    var result = shares
    var isCapped = [Bool](repeating: false, count: shares.count)
    while let next = result.indices.first(where: { !isCapped[$0] && result[$0] > maximum }) {
      for index in next..<result.count where result[index] > maximum { isCapped[index] = true }
      let left = 1 - maximum * Double(isCapped.filter(\.self).count)
      let free = zip(shares, isCapped).reduce(0) { $0 + ($1.1 ? 0 : $1.0) }
      for index in result.indices {
        result[index] = isCapped[index] ? maximum : free > 0 ? shares[index] / free * left : 0
      }
    }
    return result
  }
}
