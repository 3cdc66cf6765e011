// SPDX-License-Identifier: Apache-2.0
internal import Records

/// What share of questions a model got right: the objects `choices` and `answers` of a `score_summary`.
package struct TaskAccuracy {
  /// One measure of being right.
  enum Measure: String, CaseIterable {
    case acc
    case accNorm = "acc_norm"
    case accBytes = "acc_bytes"
    case exactMatch = "exact_match"
  }

  /// Questions with choices, and records that were answered.
  private(set) var questions = 0
  private(set) var answers = 0
  private var shares: [Measure: Double] = [:]

  init() {}

  /// Reads the two objects, each of which may be missing.
  ///
  /// - Throws: `RecordError.wrongType`, also for a share outside 0...1.
  init(_ line: LineFields) throws(RecordError) {
    if let choices = try line.object("choices") {
      questions = try choices.count("records") ?? 0
      for measure in [Measure.acc, .accNorm, .accBytes] { try read(measure, of: choices) }
    }
    if let answered = try line.object("answers") {
      answers = try answered.count("records") ?? 0
      try read(.exactMatch, of: answered)
    }
  }

  private mutating func read(_ measure: Measure, of line: LineFields) throws(RecordError) {
    guard let share = try line.number(measure.rawValue) else { return }
    guard (0...1).contains(share) else {
      throw .wrongType(
        line.location, field: measure.rawValue, expected: "0 to 1", found: "\(share)")
    }
    if records(for: measure) > 0 { shares[measure] = share }
  }

  var isEmpty: Bool { shares.isEmpty }

  /// The share of the questions, 0...1; nil if that was not measured.
  func share(_ measure: Measure) -> Double? { shares[measure] }

  /// How many questions the share is of.
  func records(for measure: Measure) -> Int { measure == .exactMatch ? answers : questions }

  /// Several sets as one: right answers over questions.
  ///
  /// - Returns: nil unless all of them have the measure.
  static func pooled(_ parts: [TaskAccuracy], _ measure: Measure) -> Double? {
    var (right, all) = (0.0, 0.0)
    for part in parts {
      guard let share = part.share(measure) else { return nil }
      let count = Double(part.records(for: measure))
      right += share * count
      all += count
    }
    return all > 0 ? right / all : nil
  }
}
