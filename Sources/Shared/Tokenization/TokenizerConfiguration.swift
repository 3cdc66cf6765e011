// SPDX-License-Identifier: Apache-2.0
import Streams

/// What stands beside `tokenizer.json`: `tokenizer_config.json` (which token begins and ends a
/// text, the chat template), `special_tokens_map.json`, `chat_template.jinja`.
enum TokenizerConfiguration {
  /// Adds the settings found in `folder` to a definition. Each file may be missing.
  static func apply(
    folder: String, to definition: inout TokenizerDefinition
  ) throws(TokenizerError) {
    if let map = try object(folder + "/special_tokens_map.json") {
      try applySpecialTokens(map.value, map.path, &definition)
    }
    if let config = try object(folder + "/tokenizer_config.json") {
      try applySpecialTokens(config.value, config.path, &definition)
      if let value = config.value["add_bos_token"]?.bool { definition.addsBeginOfText = value }
      if let value = config.value["add_eos_token"]?.bool { definition.addsEndOfText = value }
      definition.chatTemplate = try chatTemplate(config.value, config.path)
    }
    let template = folder + "/chat_template.jinja"
    if FileSystem.exists(template) {
      let file = try map(template)
      definition.chatTemplate = withExtendedLifetime(file) {
        String(decoding: file.bytes, as: UTF8.self)
      }
    }
  }

  private static func applySpecialTokens(
    _ value: JSONValue, _ path: String, _ definition: inout TokenizerDefinition
  ) throws(TokenizerError) {
    if let id = try specialToken("bos_token", value, path, definition) {
      definition.beginOfText = id
    }
    if let id = try specialToken("eos_token", value, path, definition) {
      definition.endOfText = id
    }
    if let id = try specialToken("pad_token", value, path, definition) { definition.padding = id }
  }

  /// A token written as a string or as an object with `content`; nil where it is absent or null.
  private static func specialToken(
    _ field: String, _ value: JSONValue, _ path: String, _ definition: TokenizerDefinition
  ) throws(TokenizerError) -> Int32? {
    guard let found = value[field], !found.isNull else { return nil }
    guard let text = found.text ?? found["content"]?.text else {
      throw .invalidField(
        path: path, field: field, expected: "a string or an object with \"content\"",
        found: found.kind.rawValue)
    }
    let content = Array(text.utf8)
    let id =
      definition.addedTokens.first { $0.content == content }?.id
      ?? definition.vocabulary.id(of: text)
    guard let id else {
      throw .invalidField(
        path: path, field: field, expected: "a token of the vocabulary", found: "\"\(text)\"")
    }
    return id
  }

  /// `chat_template` as a string, or the one named `default` of a list.
  private static func chatTemplate(
    _ config: JSONValue, _ path: String
  ) throws(TokenizerError) -> String? {
    guard let value = config["chat_template"], !value.isNull else { return nil }
    if let text = value.text { return text }
    guard let list = value.elements else {
      throw .invalidField(
        path: path, field: "chat_template", expected: "a string or an array",
        found: value.kind.rawValue)
    }
    return list.first { $0["name"]?.text == "default" }?["template"]?.text
  }

  private static func object(
    _ path: String
  ) throws(TokenizerError) -> (value: JSONValue, path: String)? {
    if !FileSystem.exists(path) { return nil }
    let file = try map(path)
    defer { withExtendedLifetime(file) {} }
    do {
      return (try JSONValue(parsing: file.bytes), path)
    } catch {
      throw .malformed(path: path, error: error)
    }
  }

  private static func map(_ path: String) throws(TokenizerError) -> MappedFile {
    do { return try MappedFile(path: path) } catch { throw .stream(error) }
  }
}
