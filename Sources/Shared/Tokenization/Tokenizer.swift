// SPDX-License-Identifier: Apache-2.0
import Streams

// Tokenization: text to token ids and back, as the model's own tokenizer does it. Reads
// tokenizer.json and GGUF metadata; what it does not know it refuses by name.

/// A model's tokenizer. May be used by many threads at once.
///
/// Text goes through these steps: added tokens are cut out; the rest is normalized, cut into pieces
/// (``SplitRule``), and each piece is encoded by the model (``BytePairModel``). Time is linear in
/// the text, but for pieces without a cut, which take O(n log n).
package final class Tokenizer: Sendable {
  /// The highest id plus one, added tokens included.
  package let vocabularySize: Int
  /// The token that begins a text, where the model has one.
  package let beginOfText: Int32?
  /// The token that ends a text or a turn: the configuration's `eos_token`.
  package let endOfText: Int32?
  package let padding: Int32?
  /// The token for what the vocabulary lacks, where the model has one.
  package let unknown: Int32?
  /// Whether the configuration puts ``beginOfText`` before every text. ``encode(_:parseSpecial:)``
  /// never does.
  package let addsBeginOfText: Bool
  /// Whether the configuration puts ``endOfText`` after every text.
  package let addsEndOfText: Bool
  /// The model's chat template (Jinja), as its files have it.
  package let chatTemplate: String?

  private let vocabulary: Vocabulary
  private let addedTokens: AddedTokens
  private let addedByID: [Int32: Int]
  private let normalizer: Normalizer
  private let splitRule: SplitRule
  private let addsPrefixSpace: Bool
  private let model: BytePairModel
  private let sentencePiece: SentencePieceModel?
  private let merges: [(left: Int32, right: Int32, result: Int32)]
  private let states = EncodingStatePool()

  init(_ definition: TokenizerDefinition) {
    vocabulary = definition.vocabulary
    addedTokens = AddedTokens(definition.addedTokens, normalizer: definition.normalizer)
    addedByID = Dictionary(
      addedTokens.tokens.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
    normalizer = definition.normalizer
    splitRule = definition.splitRule
    addsPrefixSpace = definition.addsPrefixSpace
    model = BytePairModel(
      vocabulary: vocabulary, merges: definition.merges, unknown: definition.unknown,
      fusesUnknown: definition.fusesUnknown, ignoresMerges: definition.ignoresMerges)
    merges = definition.merges
    sentencePiece = definition.sentencePiece
    let highest = addedTokens.tokens.last.map { Int($0.id) + 1 } ?? 0
    vocabularySize = max(vocabulary.size, highest)
    beginOfText = definition.beginOfText
    endOfText = definition.endOfText
    padding = definition.padding
    unknown = definition.unknown
    addsBeginOfText = definition.addsBeginOfText && definition.beginOfText != nil
    addsEndOfText = definition.addsEndOfText && definition.endOfText != nil
    chatTemplate = definition.chatTemplate
  }

  // MARK: Encoding

  /// The tokens of a text, without any that the configuration puts around it.
  ///
  /// - Parameter parseSpecial: whether special tokens that stand in the text become their ids
  ///   (the reference's default) or are plain text.
  package func encode(_ text: String, parseSpecial: Bool = true) -> [Int32] {
    var text = text
    return text.withUTF8 { encode(UnsafeRawBufferPointer($0), parseSpecial: parseSpecial) }
  }

  /// The tokens of a text in UTF-8.
  package func encode(_ utf8: UnsafeRawBufferPointer, parseSpecial: Bool = true) -> [Int32] {
    var output: [Int32] = []
    output.reserveCapacity(utf8.count / 4 + 8)
    encode(utf8, parseSpecial: parseSpecial, into: &output)
    return output
  }

  /// Appends the tokens of a text in UTF-8.
  package func encode(
    _ utf8: UnsafeRawBufferPointer, parseSpecial: Bool = true, into output: inout [Int32]
  ) {
    let state = states.borrow()
    defer { states.giveBack(state) }
    utf8.withMemoryRebound(to: UInt8.self) { bytes in
      addedTokens.split(bytes, normalizedText: false, parseSpecial: parseSpecial) { part in
        switch part {
        case .token(let id): output.append(id)
        case .text(let range):
          let text = UnsafeBufferPointer(rebasing: bytes[range])
          encodeVerbatim(text, parseSpecial, &output, state)
        }
      }
    }
  }

  /// Text without verbatim added tokens: normalizes it and cuts out the normalized ones.
  private func encodeVerbatim(
    _ text: UnsafeBufferPointer<UInt8>, _ parseSpecial: Bool, _ output: inout [Int32],
    _ state: EncodingState
  ) {
    if let sentencePiece { return sentencePiece.encode(text, into: &output, using: state) }
    if let normal = normalizer.apply(UnsafeRawBufferPointer(text)) {
      normal.withUnsafeBufferPointer { encodeNormalized($0, parseSpecial, &output, state) }
    } else {
      encodeNormalized(text, parseSpecial, &output, state)
    }
  }

  private func encodeNormalized(
    _ text: UnsafeBufferPointer<UInt8>, _ parseSpecial: Bool, _ output: inout [Int32],
    _ state: EncodingState
  ) {
    if !addedTokens.hasNormalizedTokens { return encodePieces(text, &output, state) }
    addedTokens.split(text, normalizedText: true, parseSpecial: parseSpecial) { part in
      switch part {
      case .token(let id): output.append(id)
      case .text(let range):
        encodePieces(UnsafeBufferPointer(rebasing: text[range]), &output, state)
      }
    }
  }

  private func encodePieces(
    _ text: UnsafeBufferPointer<UInt8>, _ output: inout [Int32], _ state: EncodingState
  ) {
    guard let base = text.baseAddress, text.count > 0 else { return }
    if addsPrefixSpace, base[0] != UInt8(ascii: " ") {
      let spaced = [UInt8(ascii: " ")] + text
      spaced.withUnsafeBufferPointer { scan($0, &output, state) }
    } else {
      scan(text, &output, state)
    }
  }

  private func scan(
    _ text: UnsafeBufferPointer<UInt8>, _ output: inout [Int32], _ state: EncodingState
  ) {
    guard let base = text.baseAddress else { return }
    let scanner = PieceScanner(base, end: text.count, rule: splitRule)
    var start = 0
    while start < text.count {
      let end = scanner.pieceEnd(from: start)
      model.encode(
        base + start, count: end - start, readable: text.count - start, into: &output,
        using: state)
      start = end
    }
  }

  // MARK: Decoding

  /// The bytes that tokens stand for. A part of a character is possible; ids that no token has
  /// stand for nothing.
  package func decode(_ tokens: some Sequence<Int32>, skipSpecial: Bool = false) -> [UInt8] {
    var output: [UInt8] = []
    for token in tokens {
      if let index = addedByID[token] {
        let added = addedTokens.tokens[index]
        if !(skipSpecial && added.isSpecial) { output.append(contentsOf: added.content) }
      } else if let text = vocabulary.bytes(of: Int(token)) {
        if let sentencePiece {
          sentencePiece.decode(text, id: token, into: &output)
          continue
        }
        let isBytes = text.withUnsafeBytes { ByteAlphabet.decode($0, into: &output) }
        if !isBytes { output.append(contentsOf: text) }
      }
    }
    return output
  }

  /// The text that tokens stand for; parts of characters become U+FFFD.
  package func decodeText(_ tokens: some Sequence<Int32>, skipSpecial: Bool = false) -> String {
    String(decoding: decode(tokens, skipSpecial: skipSpecial), as: UTF8.self)
  }

  /// The id of a token by its text as the tokenizer's file writes it, added tokens included.
  package func id(of token: String) -> Int32? {
    let content = Array(token.utf8)
    return addedTokens.tokens.first { $0.content == content }?.id ?? vocabulary.id(of: token)
  }

  /// Whether a text is cut out as one token wherever it stands, without swallowing white space.
  package func hasAddedToken(_ text: String) -> Bool {
    let content = Array(text.utf8)
    return addedTokens.tokens.contains {
      $0.content == content && !$0.singleWord && !$0.stripsLeft && !$0.stripsRight
    }
  }

  /// Whether a text is cut out as one token, whatever white space it swallows.
  package func isAddedToken(_ text: String) -> Bool {
    let content = Array(text.utf8)
    return addedTokens.tokens.contains { $0.content == content }
  }

  /// SHA-256 over all that decides about ids: two files that define the same tokenizer agree.
  package func digest() -> String {
    let digest = ContentDigest()
    var block: [UInt8] = []
    func number(_ value: Int) {
      withUnsafeBytes(of: Int64(value).littleEndian) { block.append(contentsOf: $0) }
    }
    for id in 0..<vocabulary.size {
      guard let token = vocabulary.bytes(of: id) else { continue }
      number(id)
      number(token.count)
      block.append(contentsOf: token)
    }
    number(-1)
    for merge in merges {
      number(Int(merge.left))
      number(Int(merge.right))
    }
    number(-2)
    for token in addedTokens.tokens {
      number(Int(token.id))
      number(token.content.count)
      block.append(contentsOf: token.content)
      let flags = [
        token.isSpecial, token.isNormalized && normalizer != .none, token.singleWord,
        token.stripsLeft, token.stripsRight,
      ]
      block.append(contentsOf: flags.map { $0 ? 1 : 0 })
    }
    let settings =
      "\(splitRule.rawValue) \(normalizer.rawValue) \(addsPrefixSpace) "
      + "\(model.unknown ?? -1) \(model.fusesUnknown) \(model.wholePieces != nil)"
      + (sentencePiece.map { " sentencepiece \($0.addsPrefix)" } ?? "")
    digest.update(block)
    digest.update(settings)
    return digest.hexadecimal()
  }
}
