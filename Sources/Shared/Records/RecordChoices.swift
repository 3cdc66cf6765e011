// SPDX-License-Identifier: Apache-2.0
internal import Streams

/// A question with several answers to choose from.
package struct RecordChoices: Sendable, Equatable {
  package let prompt: String
  /// At least two.
  package let choices: [String]
  /// Which of them is right, from 0.
  package let answer: Int

  package init(prompt: String, choices: [String], answer: Int) {
    self.prompt = prompt
    self.choices = choices
    self.answer = answer
  }
}

extension RecordLayout {
  /// What `prompt`, `choices` and `answer` say; nil where one of them is missing.
  ///
  /// `choices` are an array of strings, or an object with the arrays `text` and, where answers are named
  /// by labels, `label`. `answer` is a number from 0, a label, the text of one choice, or a letter from A on.
  ///
  /// - Throws: ``RecordError/wrongType(_:field:expected:found:)``.
  package func choices(of fields: RecordFields) throws(RecordError) -> RecordChoices? {
    let (field, answerField) = (name("choices"), name("answer"))
    guard let member = fields.member(field), let answerMember = fields.member(answerField),
      fields.member(name("prompt")) != nil
    else { return nil }
    let value = try fields.value(of: member)
    let texts = value.elements ?? value["text"]?.elements ?? []
    let choices = texts.compactMap(\.text)
    if choices.count != texts.count || choices.count < 2 {
      throw .wrongType(
        fields.location, field: field, expected: "array of two strings or more",
        found: value.elements == nil ? member.kind.rawValue : "an array of \(texts.count)")
    }
    let labels = value["label"]?.elements?.compactMap(\.text) ?? []
    let answer = try fields.value(of: answerMember)
    guard let index = Self.index(of: answer, choices, labels) else {
      throw .wrongType(
        fields.location, field: answerField, expected: "one of \(choices.count) choices",
        found: answer.text.map { "\"\($0)\"" } ?? answer.int.map { "\($0)" } ?? answer.kind.rawValue)
    }
    return RecordChoices(
      prompt: try fields.string(name("prompt")), choices: choices, answer: index)
  }

  private static func index(
    of answer: JSONValue, _ choices: [String], _ labels: [String]
  ) -> Int? {
    if let number = answer.int { return choices.indices.contains(number) ? number : nil }
    guard let text = answer.text else { return nil }
    if let index = labels.firstIndex(of: text), index < choices.count { return index }
    if let index = choices.firstIndex(of: text) { return index }
    if let number = Int(text) { return choices.indices.contains(number) ? number : nil }
    guard text.utf8.count == 1, let letter = text.utf8.first,
      letter >= UInt8(ascii: "A"), letter <= UInt8(ascii: "Z")
    else { return nil }
    let index = Int(letter - UInt8(ascii: "A"))
    return index < choices.count ? index : nil
  }
}
