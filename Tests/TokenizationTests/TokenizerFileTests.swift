// SPDX-License-Identifier: Apache-2.0
import Foundation
import Streams
import TestSupport
import Testing
import Tokenization

/// A tokenizer.json small enough to read here: three letters and one merge.
private func smallTokenizer(
  normalizer: String = "null", preTokenizer: String = smallPreTokenizer, added: String = "[]",
  vocab: String = #"{"a":0,"b":1,"c":2,"ab":3}"#, merges: String = #"["a b"]"#,
  options: String = "", postProcessor: String = "null", decoder: String = "null"
) -> String {
  """
  {"version":"1.0","added_tokens":\(added),"normalizer":\(normalizer),
  "pre_tokenizer":\(preTokenizer),"post_processor":\(postProcessor),"decoder":\(decoder),
  "model":{"type":"BPE",\(options)"vocab":\(vocab),"merges":\(merges)}}
  """
}

private let smallPreTokenizer =
  #"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#

@Suite struct TokenizerJSONTests {
  private func load(_ json: String) throws -> Tokenizer {
    let folder = try TemporaryDirectory()
    return try Tokenizer.load(path: try folder.write("tokenizer.json", json))
  }

  @Test func readsBothKindsOfMerges() throws {
    #expect(try load(smallTokenizer()).encode("abcab") == [3, 2, 3])
    #expect(try load(smallTokenizer(merges: #"[["a","b"]]"#)).encode("abcab") == [3, 2, 3])
  }

  /// Keys are bytes: e with an accent and its decomposed form are two tokens.
  @Test func canonicallyEqualTokensStayApart() throws {
    let vocab = #"{"a":0,"b":1,"ab":2,"é":3,"e\u0301":4}"#
    let tokenizer = try load(smallTokenizer(vocab: vocab))
    #expect(tokenizer.id(of: "\u{e9}") == 3)
    #expect(tokenizer.id(of: "e\u{301}") == 4)
  }

  @Test func idsMayHaveGaps() throws {
    let tokenizer = try load(smallTokenizer(vocab: #"{"ab":70,"b":9,"a":40}"#))
    #expect(tokenizer.vocabularySize == 71)
    #expect(tokenizer.encode("aba") == [70, 40])
    #expect(tokenizer.decode([70, 50, -3, 9999, 9]) == Array("abb".utf8))
  }

  /// Each is refused with the component's name, as a configuration that we do not support.
  @Test(arguments: [
    (smallTokenizer(normalizer: #"{"type":"NFKC"}"#), "normalizer NFKC"),
    (
      smallTokenizer(
        normalizer: #"{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"ByteLevel"}]}"#),
      "normalizer ByteLevel"
    ),
    (smallTokenizer(preTokenizer: #"{"type":"UnicodeScripts"}"#), "pre_tokenizer UnicodeScripts"),
    (
      smallTokenizer(
        preTokenizer: #"{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},"#
          + #"{"type":"Digits"}]}"#),
      "pre_tokenizer ByteLevel+Digits"
    ),
    (
      smallTokenizer(
        preTokenizer: #"{"type":"Split","pattern":{"Regex":"a(?m:.)b"},"behavior":"Isolated"}"#),
      #"pre_tokenizer with the expression a(?m:.)b ((?m)"#
    ),
    (
      smallTokenizer(
        preTokenizer: #"{"type":"Split","pattern":{"Regex":"[a&&b]"},"behavior":"Isolated"}"#),
      #"pre_tokenizer with the expression [a&&b] (&& in a class)"#
    ),
    (
      smallTokenizer(preTokenizer: #"{"type":"Metaspace","prepend_scheme":"last"}"#),
      "pre_tokenizer Metaspace with prepend_scheme last"
    ),
    (smallTokenizer(options: #""dropout":0.1,"#), "model option dropout"),
    (
      smallTokenizer(options: #""end_of_word_suffix":"</w>","#),
      "model option end_of_word_suffix"
    ),
    (smallTokenizer(postProcessor: #"{"type":"Custom"}"#), "post_processor Custom"),
    (smallTokenizer(decoder: #"{"type":"WordPiece"}"#), "decoder WordPiece"),
    (#"{"model":{"type":"WordPiece","vocab":{}}}"#, "model WordPiece"),
  ])
  func unknownComponentsAreRefusedByName(json: String, name: String) throws {
    let error = try #require(throws: TokenizerError.self) { try load(json) }
    #expect(error.category == .unsupportedConfiguration)
    #expect(error.message.hasPrefix(name), "\(error.message)")
    #expect(error.location?.hasSuffix("tokenizer.json") == true)
  }

  @Test(arguments: [
    (smallTokenizer(vocab: #"{"a":0,"b":0,"ab":1}"#), "token \"b\" stands twice"),
    (smallTokenizer(vocab: #"{"a":0,"a":1,"b":2,"ab":3}"#), "token \"a\" stands twice"),
    (smallTokenizer(vocab: #"{"a":0,"b":-1,"ab":3}"#), "token \"b\" has id -1"),
    (smallTokenizer(vocab: #"{"a":0,"b":99999999,"ab":3}"#), "token \"b\" has id 99999999"),
    (smallTokenizer(merges: #"["a x"]"#), "merge 1 needs the token \"x\""),
    (smallTokenizer(merges: #"["b c"]"#), "merge 1 needs the token \"bc\""),
    (smallTokenizer(merges: #"["ab"]"#), "field \"merges[0]\": expected two tokens"),
    (smallTokenizer(merges: #"[["a","b","c"]]"#), "field \"model.merges\": expected pairs"),
    (smallTokenizer(merges: "[1]"), "field \"model.merges\": expected strings or pairs"),
    (smallTokenizer(options: #""unk_token":"z","#), "field \"model.unk_token\": expected a token"),
    (smallTokenizer(added: #"[{"content":"x"}]"#), "field \"added_tokens[0].id\": expected an"),
    (smallTokenizer(added: #"[{"id":7,"content":"a"}]"#), "token \"a\" stands twice"),
    (smallTokenizer(added: #"[{"id":-7,"content":"z"}]"#), "token \"z\" has id -7"),
    (
      smallTokenizer(
        preTokenizer: #"{"type":"Split","pattern":{"Regex":"a("},"behavior":"Isolated"}"#),
      "field \"pre_tokenizer.pattern.Regex\": expected a regular expression"
    ),
    (
      smallTokenizer(normalizer: #"{"type":"Precompiled","precompiled_charsmap":"AAAA"}"#),
      "field \"normalizer.precompiled_charsmap\": expected a table"
    ),
    (#"{"model":{"type":"Unigram","vocab":[["a"]]}}"#, "field \"model.vocab\": expected a piece"),
    (
      #"{"model":{"type":"Unigram","unk_id":-1,"vocab":[["a",0]]}}"#,
      "field \"model.unk_id\": expected the id"
    ),
    ("{}", "field \"model\" is missing"),
    ("[]", "field \"\": expected an object"),
    ("{\"model\":", "malformed JSON"),
    ("", "malformed JSON"),
  ])
  func badFilesAreRefused(json: String, message: String) throws {
    let error = try #require(throws: TokenizerError.self) { try load(json) }
    #expect(error.category == .badData)
    #expect(error.message.hasPrefix(message), "\(error.message)")
  }

  @Test func missingFilesAreNamed() throws {
    let folder = try TemporaryDirectory()
    #expect(throws: TokenizerError.noTokenizer(path: folder.path)) {
      try Tokenizer.load(path: folder.path)
    }
    let error = try #require(throws: TokenizerError.self) {
      try Tokenizer.load(path: folder.file("none.json"))
    }
    #expect(error.category == .noInput)
  }

  @Test func configurationStandsBesideTheFile() throws {
    let folder = try TemporaryDirectory()
    let added =
      #"[{"id":4,"content":"<s>","special":true,"normalized":false},"#
      + #"{"id":5,"content":"</s>","special":true,"normalized":false}]"#
    try folder.write("tokenizer.json", smallTokenizer(added: added))
    try folder.write(
      "tokenizer_config.json",
      #"{"bos_token":"<s>","eos_token":{"content":"</s>","lstrip":false},"pad_token":null,"#
        + #""add_bos_token":true,"chat_template":[{"name":"default","template":"T"}]}"#)
    let tokenizer = try Tokenizer.load(path: folder.path)
    #expect(tokenizer.beginOfText == 4 && tokenizer.endOfText == 5 && tokenizer.padding == nil)
    #expect(tokenizer.addsBeginOfText && !tokenizer.addsEndOfText)
    #expect(tokenizer.chatTemplate == "T")
    try folder.write("chat_template.jinja", "J")
    #expect(try Tokenizer.load(path: folder.path).chatTemplate == "J")
    try folder.write("tokenizer_config.json", #"{"bos_token":"<nope>"}"#)
    #expect(throws: TokenizerError.self) { try Tokenizer.load(path: folder.path) }
  }
}

@Suite struct TokenizerGGUFTests {
  /// A GGUF file without tensors.
  private func gguf(
    model: String = "gpt2", pre: String = "smollm",
    tokens: [String] = ["<s>", "a", "b", "ab", "!!"],
    types: [Int32] = [3, 1, 1, 1, 4], merges: [String] = ["a b"], beginOfText: UInt32 = 0
  ) -> [UInt8] {
    var bytes = Array("GGUF".utf8)
    func number<Value: FixedWidthInteger>(_ value: Value) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    func string(_ text: String) {
      number(UInt64(text.utf8.count))
      bytes.append(contentsOf: text.utf8)
    }
    func array(_ key: String, type: UInt32, count: Int) {
      string(key)
      number(UInt32(9))
      number(type)
      number(UInt64(count))
    }
    number(UInt32(3))
    number(UInt64(0))
    number(UInt64(6))
    for (key, value) in [("tokenizer.ggml.model", model), ("tokenizer.ggml.pre", pre)] {
      string(key)
      number(UInt32(8))
      string(value)
    }
    array("tokenizer.ggml.tokens", type: 8, count: tokens.count)
    tokens.forEach(string)
    array("tokenizer.ggml.token_type", type: 5, count: types.count)
    types.forEach { number($0) }
    array("tokenizer.ggml.merges", type: 8, count: merges.count)
    merges.forEach(string)
    string("tokenizer.ggml.bos_token_id")
    number(UInt32(4))
    number(beginOfText)
    bytes += [UInt8](repeating: 0, count: 64)
    return bytes
  }

  private func load(_ bytes: [UInt8]) throws -> Tokenizer {
    let folder = try TemporaryDirectory()
    return try Tokenizer.load(path: try folder.write("model.gguf", bytes))
  }

  @Test func readsTokensMergesAndAddedTokens() throws {
    let tokenizer = try load(gguf())
    #expect(tokenizer.vocabularySize == 5 && tokenizer.beginOfText == 0)
    #expect(tokenizer.encode("ab<s>b!!a") == [3, 0, 2, 4, 1])
    // User-defined tokens are always cut out, special ones on request.
    #expect(tokenizer.encode("a<s>!!", parseSpecial: false) == [1, 4])
  }

  @Test func otherTokenizersAreRefusedByName() throws {
    for (bytes, name) in [
      (gguf(model: "bert"), #"tokenizer.ggml.model "bert" is not supported"#),
      (gguf(pre: "kimi-k2"), #"tokenizer.ggml.pre "kimi-k2" is not supported"#),
    ] {
      let error = try #require(throws: TokenizerError.self) { try load(bytes) }
      #expect(error.category == .unsupportedConfiguration && error.message == name)
    }
  }

  @Test func badMetadataIsRefused() throws {
    let bad = [
      gguf(tokens: ["a", "a", "b", "ab", "c"]), gguf(types: [1]), gguf(merges: ["a z"]),
      gguf(beginOfText: 5), Array(gguf().prefix(80)),
    ]
    for bytes in bad {
      let error = try #require(throws: TokenizerError.self) { try load(bytes) }
      #expect(error.category == .badData, "\(error.message)")
    }
  }
}

/// The real SmolLM2-135M-Instruct, where `make model` fetched it.
@Suite(.enabled(if: PackageLayout.smolLM2 != nil)) struct SmolLM2TokenizerTests {
  @Test func metadataIsUnderstood() throws {
    let tokenizer = try Tokenizer.load(path: try #require(PackageLayout.smolLM2))
    #expect(tokenizer.vocabularySize == 49152)
    #expect(tokenizer.beginOfText == 1 && tokenizer.endOfText == 2 && tokenizer.padding == 2)
    #expect(!tokenizer.addsBeginOfText && !tokenizer.addsEndOfText)
    #expect(tokenizer.chatTemplate?.contains("named SmolLM") == true)
    #expect(tokenizer.id(of: "<|endoftext|>") == 0 && tokenizer.id(of: "<empty_output>") == 16)
  }

  @Test(.enabled(if: PackageLayout.shared("golden/smollm2-135m/tokenizer.jsonl") != nil))
  func idsEqualTheGolden() throws {
    let tokenizer = try Tokenizer.load(path: try #require(PackageLayout.smolLM2))
    let path = try #require(PackageLayout.shared("golden/smollm2-135m/tokenizer.jsonl"))
    let lines = try Data(contentsOf: URL(fileURLWithPath: path)).split(separator: 0x0a)
    #expect(lines.count == 85)
    for line in lines {
      let value = try JSONValue(parsing: Array(line))
      let text = try #require(value["text"]?.text)
      let expected = try #require(value["input_ids"]?.elements).compactMap(\.int)
      #expect(tokenizer.encode(text).map(Int.init) == expected, "\(text.debugDescription)")
    }
  }
}
