// SPDX-License-Identifier: Apache-2.0
import Streams

/// Reads a SentencePiece `.model` file: a protocol buffer (`ModelProto`) with the pieces, their
/// scores and types, and how text is normalized.
///
/// BPE and Unigram. Control pieces become special added tokens; SentencePiece itself never finds
/// them in text, which `parseSpecial: false` gives.
struct SentencePieceFile {
  /// What a piece is (`SentencePiece.Type`).
  private enum PieceType: Int {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
  }

  private enum ModelType: Int {
    case unigram = 1
    case bytePairs = 2
    case word = 3
    case character = 4
  }

  private let path: String
  private var definition = TokenizerDefinition()
  private var types: [PieceType] = []
  private var model = ModelType.unigram
  private var fallsBackToBytes = false
  private var normalizer = SentencePieceNormalizer()
  /// Ids of the unknown, the first, the last and the padding token; below 0: none.
  private var special = (unknown: 0, begin: 1, end: 2, padding: -1)

  /// Whether bytes look like a model file: a first piece with its text and its score.
  static func isModel(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count > 6, bytes[0] == 0x0a, bytes[2] == 0x0a else { return false }
    let (message, text) = (Int(bytes[1]), Int(bytes[3]))
    let score = 4 + text
    return text + 7 <= message && score < bytes.count && bytes[score] == 0x15
  }

  /// - Parameter bytes: the file; not kept.
  static func read(
    _ bytes: UnsafeRawBufferPointer, path: String
  ) throws(TokenizerError) -> TokenizerDefinition {
    var file = SentencePieceFile(path: path)
    do throws(ProtocolBuffer.Problem) {
      try file.readModel(ProtocolBuffer(bytes))
    } catch {
      switch error {
      case .malformed(let offset):
        throw .unreadable(path: path, reason: "no SentencePiece model: damaged at byte \(offset)")
      case .refused(let error): throw error
      }
    }
    return try file.finished()
  }

  private init(path: String) { self.path = path }

  /// The byte that a piece such as `<0x0A>` names.
  static func byte(named text: String) -> UInt8? {
    guard text.utf8.count == 6, text.hasPrefix("<0x"), text.hasSuffix(">") else { return nil }
    return UInt8(text.dropFirst(3).dropLast(), radix: 16)
  }

  // MARK: Fields

  private mutating func readModel(_ buffer: ProtocolBuffer) throws(ProtocolBuffer.Problem) {
    var buffer = buffer
    while let field = try buffer.next() {
      switch (field.number, field.value) {
      case (1, .bytes(let bytes)): try readPiece(ProtocolBuffer(bytes))
      case (2, .bytes(let bytes)): try readTrainer(ProtocolBuffer(bytes))
      case (3, .bytes(let bytes)): try readNormalizer(ProtocolBuffer(bytes))
      default: break  // self test data, denormalizer
      }
    }
  }

  private mutating func readPiece(_ buffer: ProtocolBuffer) throws(ProtocolBuffer.Problem) {
    var buffer = buffer
    var text = UnsafeRawBufferPointer(start: nil, count: 0)
    var score: Float = 0
    var type = PieceType.normal
    while let field = try buffer.next() {
      switch (field.number, field.value) {
      case (1, .bytes(let bytes)): text = bytes
      case (2, .fixed32(let bits)): score = Float(bitPattern: bits)
      case (3, .number(let value)):
        guard let known = PieceType(rawValue: Int(truncatingIfNeeded: value)) else {
          throw .refused(invalid("pieces.type", "1 to 6", "\(value)"))
        }
        type = known
      default: break
      }
    }
    let id = types.count
    let token = String(decoding: text, as: UTF8.self)
    do throws(Vocabulary.InsertionError) {
      try definition.vocabulary.insert(text, id: id)
    } catch {
      switch error {
      case .duplicate: throw .refused(.duplicateToken(path: path, token: token))
      case .idOutOfRange: throw .refused(.invalidID(path: path, token: token, id: id))
      }
    }
    guard score.isFinite else { throw .refused(invalid("pieces.score", "a number", "\(score)")) }
    types.append(type)
    definition.scores.append(Double(score))
  }

  private mutating func readTrainer(_ buffer: ProtocolBuffer) throws(ProtocolBuffer.Problem) {
    var buffer = buffer
    while let field = try buffer.next() {
      guard case .number(let value) = field.value else { continue }
      // Negative numbers are written with 64 bits; -1 says that there is no such piece.
      let number = Int(truncatingIfNeeded: Int32(truncatingIfNeeded: value))
      switch field.number {
      case 3:
        guard let known = ModelType(rawValue: number) else {
          throw .refused(invalid("trainer_spec.model_type", "1 to 4", "\(number)"))
        }
        model = known
      case 24: normalizer.marksWordEnds = value != 0
      case 35: fallsBackToBytes = value != 0
      case 40: special.unknown = number
      case 41: special.begin = number
      case 42: special.end = number
      case 43: special.padding = number
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ buffer: ProtocolBuffer) throws(ProtocolBuffer.Problem) {
    var buffer = buffer
    while let field = try buffer.next() {
      switch (field.number, field.value) {
      case (2, .bytes(let bytes)) where !bytes.isEmpty:
        guard let table = ReplacementTable(Array(bytes)) else {
          throw .refused(
            invalid("normalizer_spec.precompiled_charsmap", "a table", "something else"))
        }
        normalizer.table = table
      case (3, .number(let value)): normalizer.addsPrefix = value != 0
      case (4, .number(let value)): normalizer.removesExtraSpaces = value != 0
      case (5, .number(let value)): normalizer.escapesSpaces = value != 0
      default: break
      }
    }
  }

  // MARK: The whole

  private mutating func finished() throws(TokenizerError) -> TokenizerDefinition {
    switch model {
    case .unigram: definition.kind = .unigram
    case .bytePairs: definition.kind = .characterPairs
    case .word: throw .unsupported(path: path, component: "model_type", found: "WORD")
    case .character: throw .unsupported(path: path, component: "model_type", found: "CHAR")
    }
    try readPieces()
    func id(_ value: Int, _ field: String) throws(TokenizerError) -> Int32? {
      if value < 0 { return nil }
      guard value < types.count else {
        throw invalid("trainer_spec.\(field)", "the id of a piece", "\(value)")
      }
      return Int32(value)
    }
    definition.unknown = try id(special.unknown, "unk_id")
    definition.beginOfText = try id(special.begin, "bos_id")
    definition.endOfText = try id(special.end, "eos_id")
    definition.padding = try id(special.padding, "pad_id")
    definition.addsBeginOfText = definition.beginOfText != nil
    definition.fusesUnknown = true
    definition.roundsToSingle = true
    definition.normalizer.steps = [.sentencePiece(normalizer)]
    return definition
  }

  private mutating func readPieces() throws(TokenizerError) {
    var pieces = Vocabulary(expectedCount: types.count)
    var byteTokens = [Int32](repeating: -1, count: 256)
    var kept: [[UInt8]] = []
    for (id, type) in types.enumerated() {
      guard let bytes = definition.vocabulary.bytes(of: id) else { continue }
      switch type {
      case .normal: bytes.withUnsafeBytes { try? pieces.insert($0, id: id) }
      case .userDefined:
        bytes.withUnsafeBytes { try? pieces.insert($0, id: id) }
        kept.append(Array(bytes))
        definition.fixedTokens.append(Int32(id))
      case .unused where definition.kind == .characterPairs:
        // Merging makes them and takes them apart again.
        throw .unsupported(path: path, component: "a BPE with a piece", found: "UNUSED")
      case .control:
        definition.addedTokens.append(AddedToken(content: Array(bytes), id: Int32(id)))
      case .byte:
        let text = String(decoding: bytes, as: UTF8.self)
        guard let byte = SentencePieceFile.byte(named: text) else {
          throw invalid("pieces.piece", "a byte as <0x0A>", "\"\(text)\"")
        }
        byteTokens[Int(byte)] = Int32(id)
      case .unused, .unknown: break
      }
    }
    if fallsBackToBytes { definition.byteTokens = byteTokens }
    normalizer.kept = kept
    if definition.kind == .characterPairs {
      definition.merges = PieceScores.merges(of: pieces, scores: definition.scores)
    } else {
      setUserDefinedScores(pieces)
    }
    definition.pieces = pieces
  }

  /// Unigram: a user-defined piece beats every other way to cut its text. sentencepiece 0.2.3 gives it
  /// a tenth for each byte but one, as its answers show: other scores are below 0.
  private mutating func setUserDefinedScores(_ pieces: Vocabulary) {
    for id in definition.fixedTokens {
      let length = Double(pieces.bytes(of: Int(id))?.count ?? 0)
      definition.scores[Int(id)] = Double(Float(0.1 * length - 0.1))
    }
    definition.fixedTokens = []
  }

  private func invalid(_ field: String, _ expected: String, _ found: String) -> TokenizerError {
    .invalidField(path: path, field: field, expected: expected, found: found)
  }
}
