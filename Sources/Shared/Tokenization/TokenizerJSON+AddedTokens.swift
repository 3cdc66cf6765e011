// SPDX-License-Identifier: Apache-2.0
import Streams

// Added tokens, and what the post-processor puts around a text.

extension TokenizerJSON {
  mutating func readAddedTokens() throws {
    for (index, value) in addedTokens.enumerated() {
      let field = "added_tokens[\(index)]"
      let content = try string(value["content"] ?? .null, field + ".content")
      guard let id = value["id"]?.int else {
        throw invalid(field + ".id", "an integer", value["id"]?.kind.rawValue ?? "nothing")
      }
      guard id >= 0, id < Vocabulary.idLimit else {
        throw TokenizerError.invalidID(path: path, token: content, id: id)
      }
      if let known = definition.vocabulary.id(of: content), Int(known) != id {
        throw TokenizerError.duplicateToken(path: path, token: content)
      }
      definition.addedTokens.append(
        AddedToken(
          content: Array(content.utf8), id: Int32(id),
          isSpecial: try flag(value, "special", default: false),
          isNormalized: try flag(value, "normalized", default: true),
          singleWord: try flag(value, "single_word", default: false),
          stripsLeft: try flag(value, "lstrip", default: false),
          stripsRight: try flag(value, "rstrip", default: false)))
    }
  }

  // MARK: The post-processor

  /// `TemplateProcessing` says which tokens stand around a single text.
  mutating func readPostProcessor(_ value: JSONValue) throws {
    if value.isNull { return }
    switch try type(of: value, "post_processor") {
    case "ByteLevel": return
    case "Sequence":
      for part in try list(value["processors"] ?? .null, "post_processor.processors") {
        try readPostProcessor(part)
      }
    case "RobertaProcessing", "BertProcessing":
      let begin = value["cls"]?.elements?.first ?? .null
      let end = value["sep"]?.elements?.first ?? .null
      definition.beginOfText = try specialID(try string(begin, "post_processor.cls"))
      definition.addsBeginOfText = true
      definition.endOfText = try specialID(try string(end, "post_processor.sep"))
      definition.addsEndOfText = true
    case "TemplateProcessing":
      try readTemplate(try list(value["single"] ?? .null, "post_processor.single"))
    case let other: throw unsupported("post_processor", other)
    }
  }

  private mutating func readTemplate(_ parts: [JSONValue]) throws {
    var before: [String] = []
    var after: [String] = []
    var seenText = false
    for part in parts {
      if let special = part["SpecialToken"]?["id"]?.text {
        if seenText { after.append(special) } else { before.append(special) }
      } else if part["Sequence"] != nil {
        seenText = true
      } else {
        throw invalid("post_processor.single", "SpecialToken or Sequence", part.kind.rawValue)
      }
    }
    guard before.count <= 1, after.count <= 1 else {
      throw unsupported("post_processor", "TemplateProcessing with several tokens on a side")
    }
    if let token = before.first {
      definition.beginOfText = try specialID(token)
      definition.addsBeginOfText = true
    }
    if let token = after.first {
      definition.endOfText = try specialID(token)
      definition.addsEndOfText = true
    }
  }

  private func specialID(_ token: String) throws -> Int32 {
    let content = Array(token.utf8)
    let id =
      definition.addedTokens.first { $0.content == content }?.id
      ?? definition.vocabulary.id(of: token)
    guard let id else {
      throw invalid("post_processor.single", "a token of the vocabulary", "\"\(token)\"")
    }
    return id
  }
}
