// SPDX-License-Identifier: Apache-2.0
import Streams

/// Reads `tokenizer.json` of Hugging Face `tokenizers`.
///
/// BPE and Unigram with the components that their tokenizers have; others are refused by name.
/// The vocabulary and the merges, nearly all of the file, are read without building a tree.
struct TokenizerJSON {
  let path: String
  var definition = TokenizerDefinition()
  private var hasModel = false
  /// Merges as written, until the vocabulary is complete: a pair, or one string "a b".
  private var mergeTexts: [(left: JSONString, right: JSONString?)] = []
  var addedTokens: [JSONValue] = []
  private var unknownToken: String?
  private var fallsBackToBytes = false

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
      case "normalizer":
        definition.normalizer.steps = try normalizerSteps(JSONValue(&scanner), "normalizer")
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
    if fallsBackToBytes, definition.kind != .bytePairs { readByteTokens() }
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
        switch type {
        case "BPE": break
        case "Unigram": definition.kind = .unigram
        default: throw unsupported("model", type)
        }
      case "vocab": try readVocabulary(&scanner)
      case "merges": try readMerges(&scanner)
      case "unk_token":
        let value = try JSONValue(&scanner)
        unknownToken = value.isNull ? nil : try string(value, "model.unk_token")
      case "unk_id":
        let value = try JSONValue(&scanner)
        if !value.isNull { try readUnknown(value) }
      case "fuse_unk": definition.fusesUnknown = try flag(&scanner)
      case "ignore_merges": definition.ignoresMerges = try flag(&scanner)
      case "byte_fallback":
        fallsBackToBytes = try flag(&scanner)
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
    // A guess from what tokenizers are: room for 64 Ki tokens costs half a megabyte.
    definition.vocabulary = Vocabulary(expectedCount: 1 << 16)
    if try scanner.peekKind() == .array { return try readScoredPieces(&scanner) }
    guard try scanner.peekKind() == .object else {
      throw invalid("model.vocab", "an object or an array", try scanner.peekKind().rawValue)
    }
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

  /// Unigram: `[["piece", score], …]`, the place being the id.
  private mutating func readScoredPieces(_ scanner: inout JSONScanner) throws {
    try scanner.beginArray()
    while try scanner.nextElement() {
      try scanner.beginArray()
      var piece: JSONString?
      var score: Double?
      while try scanner.nextElement() {
        if piece == nil { piece = try scanner.string() } else { score = try scanner.double() }
      }
      guard let piece, let score, score.isFinite else {
        throw invalid("model.vocab", "a piece and its score", "something else")
      }
      let id = definition.scores.count
      if piece.hasEscapes {
        try piece.decodedBytes().withUnsafeBytes { try insert($0, id) }
      } else {
        try insert(piece.raw, id)
      }
      definition.scores.append(score)
    }
  }

  private mutating func readUnknown(_ value: JSONValue) throws {
    guard let id = value.int, id >= 0, id < Vocabulary.idLimit else {
      throw invalid("model.unk_id", "the id of a piece", value.kind.rawValue)
    }
    definition.unknown = Int32(id)
  }

  /// The tokens `<0x00>` to `<0xFF>`, as far as there are any.
  private mutating func readByteTokens() {
    let digits = Array("0123456789ABCDEF".utf8)
    definition.byteTokens = (0..<256).map { byte in
      let token = Array("<0x".utf8) + [digits[byte >> 4], digits[byte & 15], UInt8(ascii: ">")]
      return token.withUnsafeBytes { definition.vocabulary.id(of: $0) } ?? -1
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
      if let right = merge.right {
        try TokenizerJSON.withText(merge.left) { left in
          try TokenizerJSON.withText(right) { right in
            try MergeText.resolve(left, right, index: index, path: path, into: &definition)
          }
        }
      } else {
        try TokenizerJSON.withText(merge.left) { text in
          try MergeText.resolve(text, index: index, path: path, into: &definition)
        }
      }
    }
    mergeTexts = []
  }

  private static func withText(
    _ string: JSONString, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    if string.hasEscapes {
      try string.decodedBytes().withUnsafeBytes(body)
    } else {
      try body(string.raw)
    }
  }

  // MARK: Values

  func type(of value: JSONValue, _ component: String) throws -> String {
    try string(value["type"] ?? .null, component + ".type")
  }

  func string(_ value: JSONValue, _ field: String) throws -> String {
    guard let text = value.text else { throw invalid(field, "a string", value.kind.rawValue) }
    return text
  }

  func list(_ value: JSONValue, _ field: String) throws -> [JSONValue] {
    guard let list = value.elements else { throw invalid(field, "an array", value.kind.rawValue) }
    return list
  }

  func flag(_ value: JSONValue, _ key: String, default fallback: Bool) throws -> Bool {
    guard let found = value[key], !found.isNull else { return fallback }
    guard let flag = found.bool else { throw invalid(key, "true or false", found.kind.rawValue) }
    return flag
  }

  func flag(_ scanner: inout JSONScanner) throws -> Bool {
    let value = try JSONValue(&scanner)
    if value.isNull { return false }
    guard let flag = value.bool else {
      throw invalid("model", "true or false", value.kind.rawValue)
    }
    return flag
  }

  func invalid(_ field: String, _ expected: String, _ found: String) -> TokenizerError {
    .invalidField(path: path, field: field, expected: expected, found: found)
  }

  func unsupported(_ component: String, _ found: String) -> TokenizerError {
    .unsupported(path: path, component: component, found: found)
  }
}
