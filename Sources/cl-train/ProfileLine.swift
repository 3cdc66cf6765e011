// SPDX-License-Identifier: Apache-2.0
import LanguageModels

/// Where the time of training went, for `--verbose`.
enum ProfileLine {
  /// Shares of the steps' time, with the rates of what multiplies; nil before the first step.
  ///
  /// Rates count the operations that the result needs: what was computed again lowers them.
  static func text(_ profile: StepProfile, work: DecoderWork) -> String? {
    guard profile.total > 0 else { return nil }
    let parts = StepPart.allCases.map { part in
      let share = Int((100 * profile[part] / profile.total).rounded())
      let flops: Double? =
        switch part {
        case .products: work.products
        case .adapters: work.adapters
        case .attention: work.attention
        case .loss: work.loss
        case .elements, .optimizer: nil
        }
      guard let flops, profile[part] > 0 else { return "\(part.rawValue) \(share)%" }
      return "\(part.rawValue) \(share)% (\(Int(flops / profile[part] / 1e9)) GFLOP/s)"
    }
    return "time: " + parts.joined(separator: ", ")
  }
}
