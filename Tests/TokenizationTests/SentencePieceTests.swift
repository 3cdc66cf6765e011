// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import Tokenization

/// A GGUF vocabulary of model "llama", small enough to read here.
private struct SmallVocabulary {
  /// Text, score and token type (1 normal, 2 unknown, 3 control, 6 byte).
  static let tokens: [(text: String, score: Float, type: Int32)] =
    [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)]
    + (0..<256).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return ("<0x\(digits.count == 1 ? "0" : "")\(digits)>", 0, 6)
    }
    + [
      ("\u{2581}", -10, 1), ("a", -11, 1), ("b", -12, 1), ("c", -13, 1), ("é", -14, 1),
      ("ab", -2, 1), ("bc", -1, 1), ("\u{2581}a", -3, 1), ("abc", -4, 1),
      ("\u{2581}\u{2581}", -5, 1), ("\u{2581}abc", -6, 1), ("aa", -2, 1),
    ]

  static func file(addsPrefix: Bool) -> [UInt8] {
    var bytes = Array("GGUF".utf8)
    func number<Value: FixedWidthInteger>(_ value: Value) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    func string(_ text: String) {
      number(UInt64(text.utf8.count))
      bytes.append(contentsOf: text.utf8)
    }
    func array(_ key: String, type: UInt32) {
      string(key)
      number(UInt32(9))
      number(type)
      number(UInt64(tokens.count))
    }
    number(UInt32(3))
    number(UInt64(0))
    number(UInt64(8))
    string("tokenizer.ggml.model")
    number(UInt32(8))
    string("llama")
    array("tokenizer.ggml.tokens", type: 8)
    for token in tokens { string(token.text) }
    array("tokenizer.ggml.scores", type: 6)
    for token in tokens { number(token.score.bitPattern) }
    array("tokenizer.ggml.token_type", type: 5)
    for token in tokens { number(token.type) }
    for (key, id) in [("unknown", 0), ("bos", 1), ("eos", 2)] as [(String, UInt32)] {
      string("tokenizer.ggml.\(key)_token_id")
      number(UInt32(4))
      number(id)
    }
    string("tokenizer.ggml.add_space_prefix")
    number(UInt32(7))
    bytes.append(addsPrefix ? 1 : 0)
    return bytes
  }

  /// SentencePiece's rule by trying every pair: the union with the highest score, leftmost on ties.
  static func reference(_ text: String, addsPrefix: Bool) -> [Int32] {
    let escaped = (addsPrefix && !text.isEmpty ? " " : "") + text
    var parts = escaped.unicodeScalars.map { $0 == " " ? "\u{2581}" : String($0) }
    func index(_ part: String) -> Int? {
      tokens.firstIndex { $0.type == 1 && Array($0.text.utf8) == Array(part.utf8) }
    }
    while true {
      var best: (position: Int, score: Float)?
      for position in parts.indices.dropLast() {
        guard let found = index(parts[position] + parts[position + 1]) else { continue }
        if best.map({ tokens[found].score > $0.score }) ?? true {
          best = (position, tokens[found].score)
        }
      }
      guard let best else { break }
      parts[best.position] += parts.remove(at: best.position + 1)
    }
    return parts.flatMap { part -> [Int32] in
      if let found = index(part) { return [Int32(found)] }
      return part.utf8.map { Int32($0) + 3 }
    }
  }
}

@Suite struct SentencePieceTests {
  private func tokenizer(addsPrefix: Bool) throws -> Tokenizer {
    let folder = try TemporaryDirectory()
    return try Tokenizer.load(
      path: try folder.write("vocabulary.gguf", SmallVocabulary.file(addsPrefix: addsPrefix)))
  }

  @Test(arguments: [true, false])
  func everyShortTextIsCutAsTheRuleSays(addsPrefix: Bool) throws {
    let tokenizer = try tokenizer(addsPrefix: addsPrefix)
    let letters = ["a", "b", "c", " ", "é", "日"]
    var texts = [""]
    var longest = [""]
    for _ in 0..<5 {
      longest = longest.flatMap { text in letters.map { text + $0 } }
      texts += longest
    }
    let wrong = texts.filter {
      tokenizer.encode($0) != SmallVocabulary.reference($0, addsPrefix: addsPrefix)
    }
    #expect(texts.count == 9331)
    #expect(wrong.isEmpty)
  }

  @Test func scoresDecideNotLengths() throws {
    let tokenizer = try tokenizer(addsPrefix: false)
    let ids = tokenizer.encode("abc").map { SmallVocabulary.tokens[Int($0)].text }
    // bc (-1) is joined before ab (-2); then a and bc make abc.
    #expect(ids == ["abc"])
    // The bytes e6 97 a5, whose tokens start at 3.
    let bytes: [Int32] = [233, 154, 168]
    #expect(tokenizer.encode("日") == bytes)
    #expect(tokenizer.decodeText(tokenizer.encode("日 abc")) == "日 abc")
  }

  /// A unigram `.model` with the user-defined piece "ing", made and read by sentencepiece 0.2.3:
  /// the piece stands though "radi" and "ng" have the higher sum of scores.
  @Test func userDefinedPiecesBeatAnySum() throws {
    let model =
      "0a0e0a053c756e6b3e150000000018020a0a0a017215000010c118010a0a0a016115000010c118010a0a0a0169"
      + "15000010c118010a0a0a016e15000010c118010a0a0a016715000010c118010a0a0a0164150000b0c018010a"
      + "0b0a027261150000e8c018010a0c0a03696e67150000000018040a0d0a04726164691500001cc118010a0b0a"
      + "026e67150000f0c018010a0a0a0178150000e0bf180112041801200c1a0e0a086964656e7469747918002000"
    let digits = Array(model.utf8)
    let bytes = stride(from: 0, to: digits.count, by: 2).compactMap {
      UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
    }
    let folder = try TemporaryDirectory()
    let path = try folder.write("tokenizer.model", bytes)
    #expect(try Tokenizer.load(path: path).encode("rading") == [7, 6, 8])
  }
}
