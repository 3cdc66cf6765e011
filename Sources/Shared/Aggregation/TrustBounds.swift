// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// What an adapter may look like before it takes part; those beyond are refused by name.
package struct TrustBounds: Sendable, Equatable {
  /// How long an update may be.
  package enum Norm: Sendable, Equatable {
    case absolute(Double)
    /// So many times the median of all clients' norms.
    case timesMedian(Double)

    /// A number, or a number followed by `x`; nil if it is neither, or not above 0.
    package init?(_ text: String) {
      let isRelative = text.hasSuffix("x")
      guard let value = Double(isRelative ? String(text.dropLast()) : text), value > 0,
        value.isFinite
      else { return nil }
      self = isRelative ? .timesMedian(value) : .absolute(value)
    }
  }

  /// Of ‖ΔW_i‖ over all modules, or of ‖ΔW_i − ΔW_parent‖ where the parent is known.
  package var maximumNorm: Norm?

  package init(maximumNorm: Norm? = nil) { self.maximumNorm = maximumNorm }

  /// A count may be so many times the median of the clients' that claim it.
  static let largestClaim = 10_000.0
  /// With fewer clients there is no median to speak of.
  static let leastForMedian = 3

  /// What each client claims against what is possible and what the others claim.
  ///
  /// A token belongs to a record, a target is a token, and a token's quality is at most 1. Of the count
  /// that the weights are made of, no client may claim more than ``largestClaim`` times the median of
  /// three or more.
  static func implausible(
    _ files: [AdapterFile], counts: [Double]
  ) -> [AggregationError?] {
    let middle = counts.count >= leastForMedian ? median(counts) : 0
    return zip(files, counts).map { file, count in
      guard let claims = file.provenance else { return nil }
      func exceeds(_ part: Double?, _ whole: Int?) -> Bool {
        guard let part, let whole else { return false }
        // Sums of rounded numbers may be above by a little.
        return part > Double(whole) * (1 + 1e-9)
      }
      func refuse(_ claim: String, _ limit: String) -> AggregationError {
        .implausibleClaim(path: file.path, claim: claim, limit: limit)
      }
      if exceeds(claims.records.map(Double.init), claims.tokens) {
        return refuse("\(claims.records ?? 0) records", "\(claims.tokens ?? 0) tokens")
      }
      if exceeds(claims.targetTokens.map(Double.init), claims.tokens) {
        return refuse("\(claims.targetTokens ?? 0) target tokens", "\(claims.tokens ?? 0) tokens")
      }
      if exceeds(claims.qualityTokens, claims.tokens) {
        return refuse("\(claims.qualityTokens ?? 0) quality tokens", "\(claims.tokens ?? 0) tokens")
      }
      if middle > 0, count > largestClaim * middle {
        return refuse("a weight of \(count)", "\(Int(largestClaim)) times the median \(middle)")
      }
      return nil
    }
  }

  /// Updates that are too long.
  func tooLong(
    _ files: [AdapterFile], parent: AdapterFile?, on loop: ParallelFor
  ) -> [AggregationError?] {
    guard let maximumNorm else { return files.map { _ in nil } }
    let norms = Self.norms(files, parent: parent, on: loop)
    let limit =
      switch maximumNorm {
      case .absolute(let value): value
      case .timesMedian(let factor): factor * median(norms)
      }
    return zip(files, norms).map { file, norm in
      norm <= limit ? nil : .tooLong(path: file.path, norm: norm, limit: limit)
    }
  }

  /// ‖ΔW_i‖, or ‖ΔW_i − ΔW_parent‖, over all modules.
  static func norms(
    _ files: [AdapterFile], parent: AdapterFile?, on loop: ParallelFor
  ) -> [Double] {
    loop.map(files.count) { index in
      let group = [files[index]] + (parent.map { [$0] } ?? [])
      let signs = parent == nil ? [1.0] : [1, -1]
      return files[index].modules.indices.reduce(0) {
        $0 + ClientFactors.sum(group, signs, module: $1).squaredNorm()
      }.squareRoot()
    }
  }
}
