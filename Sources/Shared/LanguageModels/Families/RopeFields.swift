// SPDX-License-Identifier: Apache-2.0
import Glibc
import Streams

extension CommonFields {
  /// Rope settings of transformers 5 (`rope_parameters`) or 4 (`rope_theta`, `rope_scaling`).
  static func rope(
    _ fields: inout ConfigFields, headSize: Int, maximumContext: Int, _ defaults: FamilyDefaults
  ) throws(ModelError) -> RopeConfig {
    let theta = try fields.positive("rope_theta") ?? defaults.theta
    let partial = try fields.positive("partial_rotary_factor")
    let legacy = try fields.nested("rope_scaling")
    var parameters = try fields.nested("rope_parameters")
    if let type = defaults.ropeLayerType, parameters != nil {
      guard let ofType = try parameters?.nested(type) else {
        throw fields.missing("rope_parameters.\(type)", "an object")
      }
      parameters = ofType
    }
    return try rope(
      parameters ?? legacy ?? ConfigFields(JSONObject(), path: fields.path), theta: theta,
      partial: partial, headSize: headSize, maximumContext: maximumContext, defaults)
  }

  /// The rope of one object of parameters, of either kind.
  ///
  /// - Parameters:
  ///   - theta: base if the object has none.
  ///   - partial: share of the head that rotates if the object has none.
  static func rope(
    _ parameters: ConfigFields, theta: Double, partial: Double? = nil, headSize: Int,
    maximumContext: Int, _ defaults: FamilyDefaults
  ) throws(ModelError) -> RopeConfig {
    var parameters = parameters
    let theta = try parameters.positive("rope_theta") ?? theta
    let share = try parameters.positive("partial_rotary_factor") ?? partial ?? 1
    let rotary = share <= 1 ? Int(Double(headSize) * share) : 0
    guard share == 1 || defaults.mayRotatePartially, rotary >= 2, rotary % 2 == 0 else {
      throw parameters.unsupported("partial_rotary_factor", .double(share))
    }
    let oldType = try parameters.text("type")
    let type = try parameters.text("rope_type") ?? oldType ?? "default"
    var rope = RopeConfig(theta: theta, rotarySize: rotary)
    if type == "longrope" || defaults.oldNamesOfLongRope.contains(type) {
      try addLongRope(&rope, &parameters, maximumContext: maximumContext, defaults)
    } else if type == "yarn" {
      try addYarn(&rope, &parameters, maximumContext: maximumContext)
    } else {
      rope.scaling = try scaling(
        type, &parameters, rotarySize: rotary, maximumContext: maximumContext)
    }
    try parameters.refuseUnread()
    return rope
  }

  private static func scaling(
    _ type: String, _ fields: inout ConfigFields, rotarySize: Int, maximumContext: Int
  ) throws(ModelError) -> RopeScaling {
    switch type {
    case "default":
      return .none
    case "linear":
      guard let factor = try fields.positive("factor") else {
        throw fields.missing("factor", "a number above 0")
      }
      return .linear(factor: factor)
    case "dynamic":
      guard let factor = try fields.positive("factor") else {
        throw fields.missing("factor", "a number above 0")
      }
      return .dynamic(factor: factor, context: maximumContext)
    case "llama3":
      guard let factor = try fields.positive("factor") else {
        throw fields.missing("factor", "a number above 0")
      }
      guard let low = try fields.positive("low_freq_factor"),
        let high = try fields.positive("high_freq_factor"), high != low
      else { throw fields.missing("low_freq_factor", "two different numbers above 0") }
      let original = try fields.count("original_max_position_embeddings") ?? maximumContext
      return .llama3(factor: factor, lowFactor: low, highFactor: high, originalContext: original)
    case "divisors":  // from a GGUF tensor, see GGUFSettings
      return .divisors(
        try factors("divisors", &fields, count: rotarySize / 2).map { Float($0) })
    default:
      throw fields.unsupported("rope_type", .string(type))
    }
  }

  /// YaRN: the context before it was stretched, how many turns in it leave a frequency alone or
  /// stretch it in full, and the factor of cosines and sines, 0.1 · ln(factor) + 1 unless given.
  private static func addYarn(
    _ rope: inout RopeConfig, _ fields: inout ConfigFields, maximumContext: Int
  ) throws(ModelError) {
    let original = try fields.count("original_max_position_embeddings") ?? maximumContext
    let factor = try fields.positive("factor") ?? Double(maximumContext) / Double(original)
    let fast = try fields.positive("beta_fast") ?? 32
    let slow = try fields.positive("beta_slow") ?? 1
    let rounds = try fields.flag("truncate") ?? true
    rope.scaling = .yarn(
      factor: factor, fastTurns: fast, slowTurns: slow, originalContext: original, rounds: rounds)
    func magnitude(_ weight: Double) -> Double {
      factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1
    }
    let given = try fields.positive("attention_factor")
    let (one, all) = (try fields.positive("mscale"), try fields.positive("mscale_all_dim"))
    var computed = magnitude(1)
    if let one, let all { computed = magnitude(one) / magnitude(all) }
    rope.attentionFactor = Float(given ?? computed)
  }

  /// Two lists of divisors, and the factor of cosines and sines for examples of any length:
  /// √(1 + ln F / ln original) with F = maximum / original.
  private static func addLongRope(
    _ rope: inout RopeConfig, _ fields: inout ConfigFields, maximumContext: Int,
    _ defaults: FamilyDefaults
  ) throws(ModelError) {
    let inside = try fields.count("original_max_position_embeddings")
    guard let original = defaults.originalContext ?? inside, original > 1 else {
      throw fields.missing("original_max_position_embeddings", "a whole number above 1")
    }
    let count = rope.rotarySize / 2
    rope.scaling = .longRope(
      short: try factors("short_factor", &fields, count: count),
      long: try factors("long_factor", &fields, count: count), originalContext: original)
    let given = try fields.positive("factor")
    let stretch = given ?? Double(maximumContext) / Double(original)
    let computed = stretch <= 1 ? 1 : (1 + log(stretch) / log(Double(original))).squareRoot()
    rope.attentionFactor = Float(try fields.positive("attention_factor") ?? computed)
  }

  private static func factors(
    _ name: String, _ fields: inout ConfigFields, count: Int
  ) throws(ModelError) -> [Double] {
    guard let value = fields.value(name) else {
      throw fields.missing(name, "\(count) numbers above 0")
    }
    let factors = (value.elements ?? []).compactMap(\.number)
    guard factors.count == count, factors.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw fields.bad(name, "\(count) numbers above 0", value)
    }
    return factors
  }
}
