// SPDX-License-Identifier: Apache-2.0
internal import Streams

/// One turn of a conversation.
package struct Message: Sendable, Hashable {
  package enum Role: String, Sendable {
    case system, user, assistant, tool
  }
  package let role: Role
  package let content: String

  package init(role: Role, content: String) {
    self.role = role
    self.content = content
  }
}

/// What a record says, whichever layout it came in.
package enum RecordContent: Sendable, Hashable {
  /// Every token is a target.
  case text(String)
  /// Only the completion's tokens are targets by default. `instruction`/`input`/`output` arrive here
  /// too: the prompt is the instruction, and, unless the input is empty, a blank line and the input;
  /// and `prompt`/`choices`/`answer` with the right choice.
  case promptCompletion(prompt: String, completion: String)
  /// Only the assistant's turns are targets by default.
  case conversation([Message])
  /// Tokens made elsewhere; a label of -100 is no target. Without labels every token is one.
  case tokens(inputIDs: [Int32], labels: [Int32]?)
}

/// Names of the fields that make up the known layouts; `--field text=body` changes one.
package struct RecordLayout: Sendable, Hashable {
  /// Canonical name -> name in the user's records.
  private var names: [String: String] = [:]

  package static let fieldNames = [
    "text", "prompt", "completion", "instruction", "input", "output", "messages",
    "conversations", "input_ids", "labels", "choices", "answer",
  ]
  package static let fieldsInWords =
    "text, prompt and completion, instruction and output, messages, conversations, or input_ids"

  package init() {}

  /// Uses the user's field `name` for the canonical `field`; false if `field` is none of
  /// ``fieldNames``.
  package mutating func map(_ field: String, to name: String) -> Bool {
    guard RecordLayout.fieldNames.contains(field) else { return false }
    names[field] = name
    return true
  }

  /// The name of the canonical `field` in the user's records.
  package func name(_ field: String) -> String { names[field] ?? field }

  /// Recognises the layout of a record and reads its content. `input_ids` wins over all others.
  ///
  /// - Throws: ``RecordError``.
  package func content(of fields: RecordFields) throws(RecordError) -> RecordContent {
    if fields.member(name("input_ids")) != nil { return try tokens(fields) }
    if let content = try textContent(of: fields) { return content }
    if fields.member(name("prompt")) != nil {
      let missing = fields.member(name("choices")) == nil ? "completion" : "answer"
      throw .missingField(fields.location, field: name(missing))
    }
    if fields.member(name("instruction")) != nil {
      throw .missingField(fields.location, field: name("output"))
    }
    var keys: [String] = []
    for member in fields.members { keys.append((try? member.key.decoded()) ?? "?") }
    throw .unknownLayout(fields.location, found: keys)
  }

  /// What the record says in words, whether or not it has `input_ids` too; nil if it says nothing.
  package func textContent(of fields: RecordFields) throws(RecordError) -> RecordContent? {
    if fields.member(name("messages")) != nil {
      return .conversation(
        try conversation(fields, list: name("messages"), role: ["role", "from"]))
    }
    if fields.member(name("conversations")) != nil {
      return .conversation(
        try conversation(fields, list: name("conversations"), role: ["from", "role"]))
    }
    if fields.member(name("prompt")) != nil, fields.member(name("completion")) != nil {
      return .promptCompletion(
        prompt: try fields.string(name("prompt")),
        completion: try fields.string(name("completion")))
    }
    if let question = try choices(of: fields) {
      return .promptCompletion(
        prompt: question.prompt, completion: question.choices[question.answer])
    }
    if fields.member(name("instruction")) != nil, fields.member(name("output")) != nil {
      let instruction = try fields.string(name("instruction"))
      var input = ""
      if let member = fields.member(name("input")), member.kind != .null {
        input = try fields.string(name("input"))
      }
      return .promptCompletion(
        prompt: input.isEmpty ? instruction : "\(instruction)\n\n\(input)",
        completion: try fields.string(name("output")))
    }
    if fields.member(name("text")) != nil { return .text(try fields.string(name("text"))) }
    return nil
  }

  private func tokens(_ fields: RecordFields) throws(RecordError) -> RecordContent {
    let ids = try integers(fields, name("input_ids"), minimum: 0)
    var labels: [Int32]?
    if let member = fields.member(name("labels")), member.kind != .null {
      labels = try integers(fields, name("labels"), minimum: -100)
    }
    if let labels, labels.count != ids.count {
      throw .labelCount(fields.location, inputIDs: ids.count, labels: labels.count)
    }
    return .tokens(inputIDs: ids, labels: labels)
  }

  private func integers(
    _ fields: RecordFields, _ field: String, minimum: Int
  ) throws(RecordError) -> [Int32] {
    guard let member = fields.member(field) else {
      throw .missingField(fields.location, field: field)
    }
    guard let elements = try fields.value(of: member).elements else {
      throw .wrongType(
        fields.location, field: field, expected: "array of integers", found: member.kind.rawValue)
    }
    var result: [Int32] = []
    result.reserveCapacity(elements.count)
    for (index, element) in elements.enumerated() {
      guard let value = element.int, value >= minimum, value <= Int(Int32.max) else {
        throw .wrongType(
          fields.location, field: "\(field)[\(index)]", expected: "integer of at least \(minimum)",
          found: element.kind == .number ? "another number" : element.kind.rawValue)
      }
      result.append(Int32(value))
    }
    return result
  }

  private func conversation(
    _ fields: RecordFields, list: String, role roleKeys: [String]
  ) throws(RecordError) -> [Message] {
    guard let member = fields.member(list), member.kind == .array,
      let turns = try fields.value(of: member).elements
    else {
      let found = fields.member(list)?.kind.rawValue ?? "nothing"
      throw .wrongType(fields.location, field: list, expected: "array", found: found)
    }
    var messages: [Message] = []
    for (index, turn) in turns.enumerated() {
      let place = "\(list)[\(index)]"
      // Datasets mix the two spellings, also within one file.
      let roleKey = roleKeys.first { turn[$0] != nil } ?? roleKeys[0]
      let contentKeys = roleKey == "from" ? ["value", "content"] : ["content", "value"]
      let contentKey = contentKeys.first { turn[$0] != nil } ?? contentKeys[0]
      guard let roleName = turn[roleKey]?.text else {
        throw .wrongType(
          fields.location, field: "\(place).\(roleKey)", expected: "string",
          found: turn[roleKey]?.kind.rawValue ?? "nothing")
      }
      guard let role = Message.Role(anyDialect: roleName) else {
        throw .unknownRole(fields.location, field: "\(place).\(roleKey)", role: roleName)
      }
      guard let content = Self.text(of: turn[contentKey]) else {
        throw .wrongType(
          fields.location, field: "\(place).\(contentKey)", expected: "string",
          found: turn[contentKey]?.kind.rawValue ?? "nothing")
      }
      messages.append(Message(role: role, content: content))
    }
    return messages
  }

  /// A turn's text: a string, or parts `{"type":"text","text":…}` one after the other.
  private static func text(of content: JSONValue?) -> String? {
    if let text = content?.text { return text }
    guard let parts = content?.elements else { return nil }
    var text = ""
    for part in parts {
      guard part["type"]?.text == "text", let piece = part["text"]?.text else { return nil }
      text += piece
    }
    return text
  }
}

extension Message.Role {
  /// The role that any of the known chat dialects means by `name`.
  package init?(anyDialect name: String) {
    switch name.lowercased() {
    case "system", "developer", "context": self = .system
    case "user", "human", "prompter", "question", "instruction": self = .user
    case "assistant", "gpt", "chatgpt", "bing", "bard", "claude", "model", "bot", "ai", "chatbot",
      "answer", "response":
      self = .assistant
    case "tool", "function", "observation", "ipython", "function_response", "tool_response",
      "function-response", "tool-response", "environment":
      self = .tool
    default: return nil
    }
  }
}
