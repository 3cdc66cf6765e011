// SPDX-License-Identifier: Apache-2.0
package import Records

/// The ChatML template: `<|im_start|>role`, a newline, the content, `<|im_end|>`, a newline.
///
/// The assistant's targets are its content, `<|im_end|>` and the newline after it, as in the
/// training templates of trl 1.16; the role's line is none.
package struct ChatML: ChatTemplate {
  package let name = "chatml"
  package let usesBeginOfText = false
  package let requiredTokens = ["<|im_start|>", "<|im_end|>"]
  /// The system message of conversations that do not begin with one.
  package let defaultSystem: String?

  package init(defaultSystem: String?) { self.defaultSystem = defaultSystem }

  package func render(_ messages: [Message], tokens: SpecialTokenTexts) -> [RenderedChunk] {
    var chunks: [RenderedChunk] = []
    if let defaultSystem, let first = messages.first, first.role != .system {
      chunks.append(turn(Message(role: .system, content: defaultSystem)))
    }
    return chunks + messages.map(turn)
  }

  private func turn(_ message: Message) -> RenderedChunk {
    var chunk = RenderedChunk()
    chunk.text.append(contentsOf: "<|im_start|>\(message.role.rawValue)\n".utf8)
    let start = chunk.text.count
    chunk.text.append(contentsOf: message.content.utf8)
    chunk.text.append(contentsOf: "<|im_end|>\n".utf8)
    if message.role == .assistant { chunk.targets = [start..<chunk.text.count] }
    return chunk
  }

  /// Recognises ChatML written in Jinja as SmolLM2, Qwen 2 and others write it, with or without a
  /// default system message; nil for any other text.
  init?(recognising jinja: String) {
    // Inside a string of Jinja a newline may be written as such or as an escape.
    let text = ChatML.unescapingNewlines(jinja)
    let loop = "{% for message in messages %}"
    let opening =
      "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    let closing = "<|im_end|>\n' }}{% endif %}"
    let turns =
      "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
      + "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    if text == loop + turns {
      self.init(defaultSystem: nil)
      return
    }
    let before = loop + opening
    let after = closing + turns
    guard text.hasPrefix(before), text.hasSuffix(after),
      text.utf8.count >= before.utf8.count + after.utf8.count
    else { return nil }
    let system = String(
      decoding: text.utf8.dropFirst(before.utf8.count).dropLast(after.utf8.count), as: UTF8.self)
    // A quote or a backslash would be more than a plain string.
    if system.contains("'") || system.contains("\\") { return nil }
    self.init(defaultSystem: system)
  }

  private static func unescapingNewlines(_ text: String) -> String {
    var result: [UInt8] = []
    var previous: UInt8 = 0
    for byte in text.utf8 {
      if previous == UInt8(ascii: "\\"), byte == UInt8(ascii: "n") {
        result[result.count - 1] = UInt8(ascii: "\n")
        previous = 0
      } else {
        result.append(byte)
        previous = byte
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
