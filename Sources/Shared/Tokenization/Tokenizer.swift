// SPDX-License-Identifier: Apache-2.0
import Streams

// Tokenization: text to token ids and back, as the model's own tokenizer does it. Reads
// tokenizer.json, SentencePiece's .model files and GGUF metadata; what it does not know it refuses by name.

/// A model's tokenizer. May be used by many threads at once.
///
/// Text goes through these steps: added tokens are cut out; the rest is normalized (``Normalizer``),
/// cut into pieces (``PreTokenizer``), and each piece is encoded by the model (``TokenModel``).
/// Time is linear in the text, but for pieces without a cut, which take O(n log n).
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
  let normalizer: Normalizer
  let preTokenizer: PreTokenizer
  /// The rule that alone cuts the text, for which nothing is copied.
  private let onlyRule: SplitRule?
  private let model: TokenModel
  private let definition: TokenizerDefinition.Identity
  private let states = EncodingStatePool()

  init(_ definition: TokenizerDefinition) {
    vocabulary = definition.vocabulary
    addedTokens = AddedTokens(definition.addedTokens, normalizer: definition.normalizer)
    addedByID = Dictionary(
      addedTokens.tokens.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
    normalizer = definition.normalizer
    preTokenizer = definition.preTokenizer
    onlyRule = definition.preTokenizer.onlyRule
    model = definition.model()
    self.definition = TokenizerDefinition.Identity(definition)
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

  /// Which model encodes the pieces.
  package var kind: String {
    switch model {
    case .bytePairs: TokenizerDefinition.Kind.bytePairs.rawValue
    case .characterPairs: TokenizerDefinition.Kind.characterPairs.rawValue
    case .unigram: TokenizerDefinition.Kind.unigram.rawValue
    }
  }

  /// Tokens that are cut out of a text before anything else.
  package var addedTokenCount: Int { addedTokens.tokens.count }

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
    encode(utf8, parseSpecial, &output, state)
  }

  /// How many steps the model takes for a text, with nothing remembered: neighbours looked at
  /// and merges done, or pieces tried. In proportion to the text's length, times its logarithm at worst.
  package func steps(encoding text: String) -> Int {
    var text = text
    var output: [Int32] = []
    let state = EncodingState()
    text.withUTF8 { encode(UnsafeRawBufferPointer($0), true, &output, state) }
    return state.merger.steps + state.lattice.steps
  }

  private func encode(
    _ utf8: UnsafeRawBufferPointer, _ parseSpecial: Bool, _ output: inout [Int32],
    _ state: EncodingState
  ) {
    utf8.withMemoryRebound(to: UInt8.self) { bytes in
      addedTokens.split(bytes, normalizedText: false, parseSpecial: parseSpecial) { part in
        switch part {
        case .token(let id): output.append(id)
        case .text(let range):
          let text = UnsafeBufferPointer(rebasing: bytes[range])
          let start = Start(beginsInput: range.lowerBound == 0, parsesSpecial: parseSpecial)
          encodeVerbatim(text, start, &output, state)
        }
      }
    }
  }

  /// Where a stretch of text stands, and how it is to be read.
  private struct Start {
    var beginsInput: Bool
    var parsesSpecial: Bool
  }

  /// Text without verbatim added tokens: normalizes it and cuts out the normalized ones.
  private func encodeVerbatim(
    _ text: UnsafeBufferPointer<UInt8>, _ start: Start, _ output: inout [Int32],
    _ state: EncodingState
  ) {
    if let normal = normalizer.apply(text) {
      normal.withUnsafeBufferPointer { encodeNormalized($0, start, &output, state) }
    } else {
      encodeNormalized(text, start, &output, state)
    }
  }

  private func encodeNormalized(
    _ text: UnsafeBufferPointer<UInt8>, _ start: Start, _ output: inout [Int32],
    _ state: EncodingState
  ) {
    if !addedTokens.hasNormalizedTokens {
      return encodePieces(text, start.beginsInput, &output, state)
    }
    addedTokens.split(text, normalizedText: true, parseSpecial: start.parsesSpecial) { part in
      switch part {
      case .token(let id): output.append(id)
      case .text(let range):
        encodePieces(
          UnsafeBufferPointer(rebasing: text[range]),
          start.beginsInput && range.lowerBound == 0, &output, state)
      }
    }
  }

  private func encodePieces(
    _ text: UnsafeBufferPointer<UInt8>, _ beginsInput: Bool, _ output: inout [Int32],
    _ state: EncodingState
  ) {
    guard let base = text.baseAddress, text.count > 0 else { return }
    if let onlyRule, case .bytePairs(let model) = model {
      let scanner = PieceScanner(base, end: text.count, rule: onlyRule)
      var start = 0
      while start < text.count {
        let end = scanner.pieceEnd(from: start)
        model.encode(
          base + start, count: end - start, readable: text.count - start, into: &output,
          using: state)
        start = end
      }
      return
    }
    if preTokenizer.steps.isEmpty { return encodePiece(text, text.count, &output, state) }
    let pieces = preTokenizer.pieces(of: text, beginsInput: beginsInput)
    pieces.text.withUnsafeBufferPointer { bytes in
      for range in pieces.ranges {
        encodePiece(
          UnsafeBufferPointer(rebasing: bytes[range]), bytes.count - range.lowerBound, &output,
          state)
      }
    }
  }

  private func encodePiece(
    _ piece: UnsafeBufferPointer<UInt8>, _ readable: Int, _ output: inout [Int32],
    _ state: EncodingState
  ) {
    guard let base = piece.baseAddress, piece.count > 0 else { return }
    switch model {
    case .bytePairs(let model):
      model.encode(base, count: piece.count, readable: readable, into: &output, using: state)
    case .characterPairs(let model): model.encode(piece, into: &output, using: state)
    case .unigram(let model): model.encode(piece, into: &output, using: state)
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
        if let byteTokens = model.byteTokens {
          decode(text, token, byteTokens, &output)
          continue
        }
        let isBytes = text.withUnsafeBytes { ByteAlphabet.decode($0, into: &output) }
        if !isBytes { output.append(contentsOf: text) }
      }
    }
    return output
  }

  /// The bytes of a token whose text is written with U+2581 for spaces and <0x0A> for bytes.
  private func decode(
    _ token: ArraySlice<UInt8>, _ id: Int32, _ byteTokens: [Int32], _ output: inout [UInt8]
  ) {
    if token.starts(with: "<0x".utf8), let byte = byteTokens.firstIndex(of: id) {
      output.append(UInt8(byte))
      return
    }
    var rest = token
    while let byte = rest.first {
      if rest.starts(with: SpaceMark.bytes) {
        output.append(0x20)
        rest = rest.dropFirst(SpaceMark.length)
      } else {
        output.append(byte)
        rest = rest.dropFirst()
      }
    }
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

  /// The added tokens that are no text: they mark where texts and turns begin and end.
  package var specialTokens: [Int32] { addedTokens.tokens.filter(\.isSpecial).map(\.id) }

  /// SHA-256 over all that decides about ids: two files that define the same tokenizer agree.
  package func digest() -> String {
    definition.digest(vocabulary, addedTokens.tokens, normalizer, preTokenizer)
  }
}
