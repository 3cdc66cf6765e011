// SPDX-License-Identifier: Apache-2.0
import Streams

/// Reads `tokenizer.json` of Hugging Face `tokenizers`.
///
/// Supported is what byte-level BPE needs; each other component is refused by its name. The
/// vocabulary and the merges, nearly all of the file, are read without building a tree.
struct TokenizerJSON {
  private let path: String
  private var definition = TokenizerDefinition()
  private var hasModel = false
  /// Merges as written, until the vocabulary is complete: a pair, or one string "a b".
  private var mergeTexts: [(left: JSONString, right: JSONString?)] = []
  private var addedTokens: [JSONValue] = []
  private var unknownToken: String?

  /// - Parameter bytes: the file's text; not kept.
  static func read(
    _ bytes: UnsafeRawBufferPointer, path: String
  ) throws(TokenizerError) -> TokenizerDefinition {
    var reader = TokenizerJSON(path: path)
    do {
      try reader.readFile(bytes)
    } catch let error as JSONError {
      throw .malformed(path: path, error: error)
    } catch let error as TokenizerError {
      throw error
    } catch {
      throw .unreadable(path: path, reason: "\(error)")
    }
    return reader.definition
  }

  private init(path: String) { self.path = path }

  // MARK: The file

  private mutating func readFile(_ bytes: UnsafeRawBufferPointer) throws {
    var scanner = JSONScanner(bytes)
    var postProcessor = JSONValue.null
    var preTokenizer = JSONValue.null
    guard try scanner.peekKind() == .object else {
      throw invalid("", "an object", try scanner.peekKind().rawValue)
    }
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      switch try key.decoded() {
      case "added_tokens": addedTokens = try list(JSONValue(&scanner), "added_tokens")
      case "normalizer": definition.normalizer = try normalizer(JSONValue(&scanner))
      case "pre_tokenizer": preTokenizer = try JSONValue(&scanner)
      case "post_processor": postProcessor = try JSONValue(&scanner)
      case "decoder": try checkDecoder(JSONValue(&scanner))
      case "model": try readModel(&scanner)
      default: try scanner.skipValue()  // version, truncation, padding: no effect on ids
      }
    }
    try scanner.finish()
    guard hasModel else { throw TokenizerError.missingField(path: path, field: "model") }
    try readPreTokenizer(preTokenizer)
    try resolveMerges()
    try readAddedTokens()
    if let unknownToken {
      guard let id = definition.vocabulary.id(of: unknownToken) else {
        throw invalid("model.unk_token", "a token of the vocabulary", "\"\(unknownToken)\"")
      }
      definition.unknown = id
    }
    try readPostProcessor(postProcessor)
  }

  // MARK: The model

  private mutating func readModel(_ scanner: inout JSONScanner) throws {
    hasModel = true
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      let name = try key.decoded()
      switch name {
      case "type":
        let type = try string(JSONValue(&scanner), "model.type")
        if type != "BPE" { throw unsupported("model", type) }
      case "vocab": try readVocabulary(&scanner)
      case "merges": try readMerges(&scanner)
      case "unk_token":
        let value = try JSONValue(&scanner)
        unknownToken = value.isNull ? nil : try string(value, "model.unk_token")
      case "fuse_unk": definition.fusesUnknown = try flag(&scanner)
      case "ignore_merges": definition.ignoresMerges = try flag(&scanner)
      case "byte_fallback":
        if try flag(&scanner) { throw unsupported("model option", "byte_fallback") }
      case "dropout":
        let value = try JSONValue(&scanner)
        if !value.isNull, value.number != 0 { throw unsupported("model option", "dropout") }
      case "continuing_subword_prefix", "end_of_word_suffix":
        let value = try JSONValue(&scanner)
        if !value.isNull, value.text != "" { throw unsupported("model option", name) }
      default: try scanner.skipValue()
      }
    }
  }

  private mutating func readVocabulary(_ scanner: inout JSONScanner) throws {
    guard try scanner.peekKind() == .object else {
      throw invalid("model.vocab", "an object", try scanner.peekKind().rawValue)
    }
    // A guess from what tokenizers are: room for 64 Ki tokens costs half a megabyte.
    definition.vocabulary = Vocabulary(expectedCount: 1 << 16)
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      let id = try scanner.integer()
      if key.hasEscapes {
        try key.decodedBytes().withUnsafeBytes { try insert($0, id) }
      } else {
        try insert(key.raw, id)
      }
    }
  }

  private mutating func insert(_ token: UnsafeRawBufferPointer, _ id: Int) throws {
    do {
      try definition.vocabulary.insert(token, id: id)
    } catch {
      let text = String(decoding: token, as: UTF8.self)
      switch error {
      case .duplicate: throw TokenizerError.duplicateToken(path: path, token: text)
      case .idOutOfRange: throw TokenizerError.invalidID(path: path, token: text, id: id)
      }
    }
  }

  private mutating func readMerges(_ scanner: inout JSONScanner) throws {
    try scanner.beginArray()
    while try scanner.nextElement() {
      switch try scanner.peekKind() {
      case .string: mergeTexts.append((try scanner.string(), nil))
      case .array:
        try scanner.beginArray()
        var pair: [JSONString] = []
        while try scanner.nextElement() { pair.append(try scanner.string()) }
        guard pair.count == 2 else {
          throw invalid("model.merges", "pairs", "\(pair.count) strings")
        }
        mergeTexts.append((pair[0], pair[1]))
      case let other: throw invalid("model.merges", "strings or pairs", other.rawValue)
      }
    }
  }

  private mutating func resolveMerges() throws {
    definition.merges.reserveCapacity(mergeTexts.count)
    for (index, merge) in mergeTexts.enumerated() {
      let text = merge.left
      guard let right = merge.right else {
        let written = text.hasEscapes ? try text.decodedBytes() : Array(text.raw)
        try MergeText.resolve(written, index: index, path: path, into: &definition)
        continue
      }
      let first = text.hasEscapes ? try text.decodedBytes() : Array(text.raw)
      let second = right.hasEscapes ? try right.decodedBytes() : Array(right.raw)
      try MergeText.resolve(first[...], second[...], index: index, path: path, into: &definition)
    }
    mergeTexts = []
  }

  // MARK: Components

  private func normalizer(_ value: JSONValue) throws -> Normalizer {
    if value.isNull { return .none }
    switch try type(of: value, "normalizer") {
    case "NFC": return .nfc
    case "Sequence":
      let parts = try list(value["normalizers"] ?? .null, "normalizer.normalizers")
      if parts.isEmpty { return .none }
      if parts.count == 1 { return try normalizer(parts[0]) }
      throw unsupported("normalizer", "Sequence of \(parts.count)")
    case let other: throw unsupported("normalizer", other)
    }
  }

  /// A lone `ByteLevel`, or a `Sequence` of one splitting component and `ByteLevel`.
  private mutating func readPreTokenizer(_ value: JSONValue) throws {
    if value.isNull { throw unsupported("pre_tokenizer", "null (byte-level BPE needs ByteLevel)") }
    var parts = [value]
    if try type(of: value, "pre_tokenizer") == "Sequence" {
      parts = try list(value["pretokenizers"] ?? .null, "pre_tokenizer.pretokenizers")
    }
    let names = try parts.map { try type(of: $0, "pre_tokenizer") }
    guard let last = parts.last, names.last == "ByteLevel" else {
      throw unsupported("pre_tokenizer", names.joined(separator: "+"))
    }
    definition.addsPrefixSpace = try flag(last, "add_prefix_space", default: true)
    let usesPattern = try flag(last, "use_regex", default: true)
    switch (names.count, names[0], usesPattern) {
    case (1, _, true): definition.splitRule = .gpt2
    case (2, "Digits", true):
      guard try flag(parts[0], "individual_digits", default: false) else {
        throw unsupported("pre_tokenizer", "Digits without individual_digits")
      }
      if definition.addsPrefixSpace {
        throw unsupported("pre_tokenizer", "Digits+ByteLevel with add_prefix_space")
      }
      definition.splitRule = .gpt2IsolatedDigits
    case (2, "Split", false):
      definition.splitRule = try splitRule(parts[0])
      if definition.addsPrefixSpace {
        throw unsupported("pre_tokenizer", "Split+ByteLevel with add_prefix_space")
      }
    default:
      let pattern = usesPattern ? "" : " without use_regex"
      throw unsupported("pre_tokenizer", names.joined(separator: "+") + pattern)
    }
  }

  private func splitRule(_ value: JSONValue) throws -> SplitRule {
    let behavior = value["behavior"]?.text ?? "none"
    guard behavior == "Isolated", try !flag(value, "invert", default: false) else {
      throw unsupported("pre_tokenizer", "Split with behavior \(behavior) or invert")
    }
    guard let pattern = value["pattern"]?["Regex"]?.text else {
      throw unsupported("pre_tokenizer", "Split without a Regex pattern")
    }
    guard let rule = SplitRule(pattern: pattern) else {
      throw unsupported("pre_tokenizer", "Split with the pattern \(pattern)")
    }
    return rule
  }

  private func checkDecoder(_ value: JSONValue) throws {
    if value.isNull { return }
    let name = try type(of: value, "decoder")
    if name != "ByteLevel" { throw unsupported("decoder", name) }
  }

  private mutating func readAddedTokens() throws {
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
  private mutating func readPostProcessor(_ value: JSONValue) throws {
    if value.isNull { return }
    switch try type(of: value, "post_processor") {
    case "ByteLevel": return
    case "Sequence":
      for part in try list(value["processors"] ?? .null, "post_processor.processors") {
        try readPostProcessor(part)
      }
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

  // MARK: Values

  private func type(of value: JSONValue, _ component: String) throws -> String {
    try string(value["type"] ?? .null, component + ".type")
  }

  private func string(_ value: JSONValue, _ field: String) throws -> String {
    guard let text = value.text else { throw invalid(field, "a string", value.kind.rawValue) }
    return text
  }

  private func list(_ value: JSONValue, _ field: String) throws -> [JSONValue] {
    guard let list = value.elements else { throw invalid(field, "an array", value.kind.rawValue) }
    return list
  }

  private func flag(_ value: JSONValue, _ key: String, default fallback: Bool) throws -> Bool {
    guard let found = value[key], !found.isNull else { return fallback }
    guard let flag = found.bool else { throw invalid(key, "true or false", found.kind.rawValue) }
    return flag
  }

  private func flag(_ scanner: inout JSONScanner) throws -> Bool {
    let value = try JSONValue(&scanner)
    if value.isNull { return false }
    guard let flag = value.bool else {
      throw invalid("model", "true or false", value.kind.rawValue)
    }
    return flag
  }

  private func invalid(_ field: String, _ expected: String, _ found: String) -> TokenizerError {
    .invalidField(path: path, field: field, expected: expected, found: found)
  }

  private func unsupported(_ component: String, _ found: String) -> TokenizerError {
    .unsupported(path: path, component: component, found: found)
  }
}

/// Turns merges as files write them into ids.
enum MergeText {
  /// A merge written as "left right".
  static func resolve(
    _ text: [UInt8], index: Int, path: String, into definition: inout TokenizerDefinition
  ) throws(TokenizerError) {
    guard let space = text.firstIndex(of: UInt8(ascii: " ")),
      !text[(space + 1)...].contains(UInt8(ascii: " "))
    else {
      throw .invalidField(
        path: path, field: "merges[\(index)]", expected: "two tokens and a space",
        found: "\"\(String(decoding: text, as: UTF8.self))\"")
    }
    try resolve(text[..<space], text[(space + 1)...], index: index, path: path, into: &definition)
  }

  static func resolve(
    _ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>, index: Int, path: String,
    into definition: inout TokenizerDefinition
  ) throws(TokenizerError) {
    func id(_ token: ArraySlice<UInt8>) throws(TokenizerError) -> Int32 {
      guard let id = token.withUnsafeBytes({ definition.vocabulary.id(of: $0) }) else {
        throw .unknownMerge(
          path: path, index: index, token: String(decoding: token, as: UTF8.self))
      }
      return id
    }
    let merge = (left: try id(left), right: try id(right), result: try id(left + right))
    definition.merges.append(merge)
  }
}
