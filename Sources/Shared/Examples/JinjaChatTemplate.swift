// SPDX-License-Identifier: Apache-2.0
package import Records
import Streams

/// A chat template written in Jinja: a model's own, or one of ``NamedTemplates``.
///
/// Targets are what `{% generation %}` marks. In a template without it, an answer's targets begin
/// where the text parts from the conversation before it with the generation prompt, and end with
/// what the template writes after the answer when the conversation stops there, as far as it writes
/// the same in the whole.
package struct JinjaChatTemplate: ChatTemplate {
  package let name: String
  package let usesBeginOfText = false
  package let requiredTokens: [String]
  private let template: JinjaTemplate

  /// Stands for an answer, to find out where a template puts it: a private-use character.
  private static let placeholder = "\u{e000}"

  package init(name: String, template: JinjaTemplate, requiredTokens: [String] = []) {
    self.name = name
    self.template = template
    self.requiredTokens = requiredTokens
  }

  package func render(
    _ messages: [Message], tokens: SpecialTokenTexts
  ) throws(JinjaError) -> [RenderedChunk] {
    let (text, spans) = try rendered(messages, tokens, prompt: false)
    if text.isEmpty { return [] }
    let targets =
      template.hasGeneration ? spans : try answers(in: text, messages, tokens)
    return [RenderedChunk(text: text, targets: targets)]
  }

  /// The text as the template alone gives it.
  package func rendered(
    _ messages: [Message], _ tokens: SpecialTokenTexts, prompt: Bool
  ) throws(JinjaError) -> (text: [UInt8], spans: [Range<Int>]) {
    var variables = JSONObject()
    variables["messages"] = .array(
      messages.map { message in
        var object = JSONObject()
        object["role"] = .string(message.role.rawValue)
        object["content"] = .string(message.content)
        return .object(object)
      })
    // As transformers passes them where a caller gives none.
    variables["tools"] = .null
    variables["documents"] = .null
    variables["add_generation_prompt"] = .boolean(prompt)
    for (key, token) in [
      ("bos_token", tokens.beginOfText), ("eos_token", tokens.endOfText),
      ("unk_token", tokens.unknown), ("pad_token", tokens.padding),
    ] {
      if let token { variables[key] = .string(token) }
    }
    return try template.render(variables)
  }

  // MARK: Targets

  /// The byte ranges of the assistant's answers, each with what ends its turn.
  private func answers(
    in text: [UInt8], _ messages: [Message], _ tokens: SpecialTokenTexts
  ) throws(JinjaError) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var previousEnd = 0
    for (index, message) in messages.enumerated() where message.role == .assistant {
      guard let content = content(of: index, in: messages, text, tokens) else { continue }
      if index > 0, let before = self.content(of: index - 1, in: messages, text, tokens) {
        previousEnd = max(previousEnd, before.upperBound)
      }
      var start = content.lowerBound
      // Not where the template writes what came before in another way once more follows; and what
      // a template writes of no turns at all (it may begin with a system message of its own) says
      // nothing about the first.
      if index > 0,
        let head = try? rendered(Array(messages[..<index]), tokens, prompt: true).text
      {
        let common = zip(head, text).prefix { $0 == $1 }.count
        if common >= previousEnd, common <= start { start = common }
      }
      let end = endOfTurn(index, content, in: text, messages, tokens)
      result.append(start..<end)
      previousEnd = end
    }
    return result
  }

  /// Where a message's content stands in the text; nil where it does not stand there.
  private func content(
    of index: Int, in messages: [Message], _ text: [UInt8], _ tokens: SpecialTokenTexts
  ) -> Range<Int>? {
    var changed = messages
    changed[index] = Message(
      role: messages[index].role, content: JinjaChatTemplate.placeholder)
    guard let other = try? rendered(changed, tokens, prompt: false).text, other != text else {
      return nil
    }
    var start = zip(text, other).prefix { $0 == $1 }.count
    let rest = min(text.count, other.count) - start
    let suffix = zip(text.reversed(), other.reversed()).prefix(rest).prefix { $0 == $1 }.count
    var end = text.count - suffix
    // Characters are not cut where only their first or last bytes agree.
    func isInside(_ offset: Int) -> Bool { offset < text.count && text[offset] & 0xc0 == 0x80 }
    while start > 0, isInside(start) { start -= 1 }
    while isInside(end) { end += 1 }
    return start..<end
  }

  private func endOfTurn(
    _ index: Int, _ content: Range<Int>, in text: [UInt8], _ messages: [Message],
    _ tokens: SpecialTokenTexts
  ) -> Int {
    if index == messages.count - 1 { return text.count }
    let head = Array(messages[...index])
    guard let stopped = try? rendered(head, tokens, prompt: false).text,
      let answer = self.content(of: index, in: head, stopped, tokens)
    else { return content.upperBound }
    let tail = zip(text[content.upperBound...], stopped[answer.upperBound...])
    return content.upperBound + tail.prefix { $0 == $1 }.count
  }
}
