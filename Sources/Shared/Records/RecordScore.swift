// SPDX-License-Identifier: Apache-2.0
package import Streams

/// The `cl_score` key: what cl-score found in a record (Documentation/formats/records.md).
package struct RecordScore: Sendable, Equatable {
  package static let key = "cl_score"
  package static let version = 1

  /// Tokens that the model sees, and those that are targets; nil without a tokenizer.
  package var tokens: Int?
  package var targetTokens: Int?
  /// White-space separated words, Unicode scalars, sentences of the record's text.
  package var words: Int?
  package var characters: Int?
  package var sentences: Int?
  /// ISO 639-1 code of the text's language, `und` where it is not clear; nil if nobody looked.
  package var language: String?
  /// The length score L, the quality Q and the dual score D, each in 0...1.
  package var length: Double?
  package var quality: Double?
  package var score: Double?
  /// Raw signals by name, in catalog order; nil where a signal is not defined for the text.
  package var signals: [(name: String, value: Double?)] = []
  /// Sum of -log p over the target tokens, nats; nil without a model.
  package var nll: Double?
  /// Share of the target tokens that were the model's first choice.
  package var tokenAccuracy: Double?
  /// What else a model was asked.
  package var model = ModelScore()

  /// Names the records that say the same as this one; the number of the first of them, if that is another one.
  package var cluster: String?
  package var duplicateOf: Int?

  package init() {}

  /// Reads the key from a record that has it.
  ///
  /// - Throws: ``RecordError/wrongType(_:field:expected:found:)``.
  package init?(of fields: RecordFields) throws(RecordError) {
    guard let member = fields.member(RecordScore.key) else { return nil }
    let whole = try fields.value(of: member)
    guard let object = whole.object else {
      throw .wrongType(
        fields.location, field: RecordScore.key, expected: "object", found: member.kind.rawValue)
    }
    func number(_ key: String) throws(RecordError) -> Double? {
      guard let value = object[key], !value.isNull else { return nil }
      guard let number = value.number else {
        throw .wrongType(
          fields.location, field: "\(RecordScore.key).\(key)", expected: "number",
          found: value.kind.rawValue)
      }
      return number
    }
    func count(_ key: String) throws(RecordError) -> Int? {
      guard let value = try number(key) else { return nil }
      guard let count = Int(exactly: value), count >= 0 else {
        throw .wrongType(
          fields.location, field: "\(RecordScore.key).\(key)", expected: "count",
          found: "\(value)")
      }
      return count
    }
    tokens = try count("tokens")
    targetTokens = try count("target_tokens")
    words = try count("words")
    characters = try count("characters")
    sentences = try count("sentences")
    language = object["language"]?.text
    length = try number("length")
    quality = try number("quality")
    score = try number("score")
    nll = try number("nll")
    tokenAccuracy = try number("token_accuracy")
    model = ModelScore(whole)
    cluster = object["cluster"]?.text
    duplicateOf = try count("duplicate_of")
    for signal in object["signals"]?.object?.members ?? [] {
      signals.append((signal.key, signal.value.number))
    }
  }

  /// The JSON object, keys in a fixed order.
  package func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("v", RecordScore.version)
      writer.field("tokens", ifPresent: tokens)
      writer.field("target_tokens", ifPresent: targetTokens)
      writer.field("words", ifPresent: words)
      writer.field("characters", ifPresent: characters)
      writer.field("sentences", ifPresent: sentences)
      writer.field("language", ifPresent: language)
      writer.field("length", ifPresent: length)
      writer.field("quality", ifPresent: quality)
      writer.field("score", ifPresent: score)
      if !signals.isEmpty {
        writer.object("signals") { writer in
          for signal in signals { writer.field(signal.name, signal.value ?? .nan) }
        }
      }
      writer.field("nll", ifPresent: nll)
      writer.field("token_accuracy", ifPresent: tokenAccuracy)
      model.write(to: &writer)
      writer.field("cluster", ifPresent: cluster)
      writer.field("duplicate_of", ifPresent: duplicateOf)
    }
  }

  package static func == (left: RecordScore, right: RecordScore) -> Bool {
    var (a, b) = (JSONWriter(), JSONWriter())
    left.write(to: &a)
    right.write(to: &b)
    return a.bytes == b.bytes
  }
}
