// SPDX-License-Identifier: Apache-2.0
import GGUF
import Streams

/// Reads the tokenizer in a GGUF file's metadata (`tokenizer.ggml.*`).
///
/// `tokenizer.ggml.model` is `gpt2` (byte-level BPE; `tokenizer.ggml.pre` names the splitting
/// rule), `llama` (SentencePiece's BPE, by scores) or `gemma4` (merges over characters). Tokens of
/// type 3 (control) and 4 (user-defined) are added tokens. GGUF has no unknown token for byte-level
/// models: bytes that the vocabulary lacks stand for nothing.
struct TokenizerGGUF {
  private static let tokenTypeControl = 3
  private static let tokenTypeUserDefined = 4

  private let file: GGUFFile
  private var path: String { file.path }
  private var definition = TokenizerDefinition()
  private var types: [Int] = []

  static func read(path: String) throws(TokenizerError) -> TokenizerDefinition {
    let file: GGUFFile
    do { file = try GGUFFile(path: path) } catch { throw .gguf(error) }
    // What the reader sees of the file points into its mapping.
    defer { withExtendedLifetime(file) {} }
    var reader = TokenizerGGUF(file: file)
    let model = try reader.text("tokenizer.ggml.model")
    switch model {
    case "gpt2":
      try reader.readSplit()
      try reader.readTokens()
      try reader.readMerges()
      try reader.readSettings()
    case "llama":
      reader.definition.addsBeginOfText = true
      try reader.readTokens()
      try reader.readSettings()
      try reader.readScores()
    case "gemma4":
      try reader.readTokens()
      try reader.readMerges()
      try reader.readSettings()
      try reader.readGemma4()
    default:
      throw .unsupported(path: path, component: "tokenizer.ggml.model", found: "\"\(model)\"")
    }
    return reader.definition
  }

  private init(file: GGUFFile) { self.file = file }

  private mutating func readSplit() throws(TokenizerError) {
    let name = try text("tokenizer.ggml.pre")
    guard let settings = GGUFSplit.settings(name) else {
      throw .unsupported(path: path, component: "tokenizer.ggml.pre", found: "\"\(name)\"")
    }
    definition.preTokenizer.steps = settings.steps
    definition.normalizer = settings.normalizer
    definition.ignoresMerges = settings.ignoresMerges
    definition.addsBeginOfText = settings.addsBeginOfText
  }

  private mutating func readTokens() throws(TokenizerError) {
    let tokens = try strings("tokenizer.ggml.tokens")
    var types = [Int](repeating: 1, count: tokens.count)
    if let value = file["tokenizer.ggml.token_type"] {
      guard let found = value.array?.integers(), found.count == tokens.count else {
        throw invalid("tokenizer.ggml.token_type", "\(tokens.count) integers", "something else")
      }
      types = found
    }
    self.types = types
    definition.vocabulary = Vocabulary(expectedCount: tokens.count)
    for id in 0..<tokens.count {
      let bytes = tokens.stringBytes(id)
      do throws(Vocabulary.InsertionError) {
        try definition.vocabulary.insert(bytes, id: id)
      } catch {
        let token = String(decoding: bytes, as: UTF8.self)
        switch error {
        case .duplicate: throw .duplicateToken(path: path, token: token)
        case .idOutOfRange: throw .invalidID(path: path, token: token, id: id)
        }
      }
      let type = types[id]
      if type == TokenizerGGUF.tokenTypeControl || type == TokenizerGGUF.tokenTypeUserDefined {
        definition.addedTokens.append(
          AddedToken(
            content: Array(bytes), id: Int32(id),
            isSpecial: type == TokenizerGGUF.tokenTypeControl))
      }
    }
  }

  private mutating func readMerges() throws(TokenizerError) {
    let merges = try strings("tokenizer.ggml.merges")
    definition.merges.reserveCapacity(merges.count)
    for index in 0..<merges.count {
      try MergeText.resolve(
        merges.stringBytes(index), index: index, path: path, into: &definition)
    }
  }

  /// The model `llama`: SentencePiece with scores.
  private mutating func readScores() throws(TokenizerError) {
    for (key, isRefused) in [
      ("tokenizer.ggml.precompiled_charsmap", true),
      ("tokenizer.ggml.remove_extra_whitespaces",
        file["tokenizer.ggml.remove_extra_whitespaces"]?.bool == true),
    ] where isRefused && file[key] != nil {
      throw .unsupported(path: path, component: key, found: "(normalization)")
    }
    let count = definition.vocabulary.size
    guard let scores = file["tokenizer.ggml.scores"]?.array?.numbers(), scores.count == count else {
      throw invalid("tokenizer.ggml.scores", "\(count) numbers", "something else")
    }
    let pieces = try readPieces()
    definition.merges = PieceScores.merges(of: pieces, scores: scores)
    let addsPrefix = file["tokenizer.ggml.add_space_prefix"]?.bool ?? true
    definition.normalizer.steps =
      (addsPrefix ? [.prepend(SpaceMark.bytes)] : [])
      + [.replace(.literal([0x20]), with: SpaceMark.bytes)]
    // GGUF does not say that Phi-3's markers swallow the white space after them.
    if file["general.architecture"]?.text == "phi3" {
      for index in definition.addedTokens.indices
      where !["<unk>", "<s>", "<|endoftext|>"].contains(where: {
        Array($0.utf8) == definition.addedTokens[index].content
      }) {
        definition.addedTokens[index].stripsRight = true
      }
    }
  }

  /// Makes characters the beginning of merging: sets the pieces, the byte tokens and the unknown
  /// token by the types of tokens.
  private mutating func readPieces() throws(TokenizerError) -> Vocabulary {
    let count = definition.vocabulary.size
    var pieces = Vocabulary(expectedCount: count)
    var byteTokens = [Int32](repeating: -1, count: 256)
    for id in 0..<count {
      guard let token = definition.vocabulary.bytes(of: id) else { continue }
      switch types[id] {
      case 1: token.withUnsafeBytes { try? pieces.insert($0, id: id) }
      case 6:
        let text = String(decoding: token, as: UTF8.self)
        guard let byte = SentencePieceFile.byte(named: text) else {
          throw invalid("tokenizer.ggml.tokens", "a byte as <0x0A>", "\"\(text)\"")
        }
        byteTokens[Int(byte)] = Int32(id)
      default: break
      }
    }
    definition.kind = .characterPairs
    definition.pieces = pieces
    definition.byteTokens = byteTokens
    definition.unknown = try token("tokenizer.ggml.unknown_token_id")
    definition.fusesUnknown = true
    return pieces
  }

  /// The model `gemma4`: merges over characters, lines apart from line breaks.
  private mutating func readGemma4() throws(TokenizerError) {
    let pieces = try readPieces()
    definition.normalizer.steps = [.replace(.literal([0x20]), with: SpaceMark.bytes)]
    // Runs of line breaks are tokens that no merge makes.
    pieces.forEach { id, token in
      if token.allSatisfy({ $0 == 0x0a }), !token.isEmpty { definition.fixedTokens.append(id) }
    }
  }

  private mutating func readSettings() throws(TokenizerError) {
    definition.beginOfText = try token("tokenizer.ggml.bos_token_id")
    definition.endOfText = try token("tokenizer.ggml.eos_token_id")
    definition.padding = try token("tokenizer.ggml.padding_token_id")
    if let value = file["tokenizer.ggml.add_bos_token"]?.bool { definition.addsBeginOfText = value }
    if let value = file["tokenizer.ggml.add_eos_token"]?.bool { definition.addsEndOfText = value }
    definition.chatTemplate = file["tokenizer.chat_template"]?.text
  }

  // MARK: Values

  private func text(_ key: String) throws(TokenizerError) -> String {
    do { return try file.text(key) } catch { throw .gguf(error) }
  }

  private func strings(_ key: String) throws(TokenizerError) -> GGUFArray {
    guard let value = file[key] else { throw .missingField(path: path, field: key) }
    guard let array = value.array, array.elementType == .string else {
      throw invalid(key, "an array of strings", "another type")
    }
    return array
  }

  /// A token id; nil where the key is absent.
  private func token(_ key: String) throws(TokenizerError) -> Int32? {
    guard let value = file[key] else { return nil }
    guard let id = value.int, definition.vocabulary.bytes(of: id) != nil else {
      throw invalid(key, "the id of a token", value.int.map { "\($0)" } ?? "another type")
    }
    return Int32(id)
  }

  private func invalid(_ field: String, _ expected: String, _ found: String) -> TokenizerError {
    .invalidField(path: path, field: field, expected: expected, found: found)
  }
}
