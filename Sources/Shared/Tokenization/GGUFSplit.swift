// SPDX-License-Identifier: Apache-2.0

/// llama.cpp's names of splitting rules (`tokenizer.ggml.pre`), as the models' own files say them.
enum GGUFSplit {
  /// What a name means beside the steps.
  struct Settings {
    var steps: [PreTokenizer.Step]
    var normalizer = Normalizer.none
    var ignoresMerges = false
    var addsBeginOfText = false
  }

  /// - Returns: nil for an unknown name.
  static func settings(_ name: String) -> Settings? {
    switch name {
    case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b",
      "mellum2":
      return Settings(steps: [rule(.gpt2IsolatedDigits)])
    case "gpt-2", "phi-2", "mpt", "olmo", "jais", "roberta-bpe", "modern-bert", "exaone4",
      "trillion", "granite-docling", "gigachat", "mellum", "a.x-4.0":
      return Settings(steps: [rule(.gpt2)])
    case "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2":
      return Settings(steps: [rule(.llama3)], ignoresMerges: true, addsBeginOfText: true)
    case "glm4", "glm5": return Settings(steps: [rule(.llama3)], ignoresMerges: true)
    case "dbrx", "smaug-bpe", "chatglm-bpe": return Settings(steps: [rule(.llama3)])
    case "qwen2", "deepseek-r1-qwen", "kormo":
      return Settings(steps: [rule(.qwen2)], normalizer: Normalizer(steps: [.unicode(.nfc)]))
    case "stablelm2", "hunyuan", "solar-open", "grok-2", "megrez":
      return Settings(steps: [rule(.qwen2)])
    case "qwen35":
      return Settings(steps: [rule(.qwen35)])
    case "tekken":
      return Settings(steps: [rule(.tekken)], ignoresMerges: true, addsBeginOfText: true)
    case "gpt-4o", "llama4", "kanana2", "minimax-m2": return Settings(steps: [rule(.gpt4o)])
    default: return expressions[name].flatMap(settings(expressions:))
    }
  }

  private static func rule(_ rule: SplitRule) -> PreTokenizer.Step {
    .split(.rule(rule), .isolated, inverted: false)
  }

  private static func settings(expressions: [String]) -> Settings? {
    let steps = expressions.map { text -> PreTokenizer.Step? in
      (try? TextPattern(regularExpression: text)).map { .split($0, .isolated, inverted: false) }
    }
    let known = steps.compactMap { $0 }
    return known.count == steps.count ? Settings(steps: known) : nil
  }

  private static let gpt2 =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// Names with several expressions: each cuts what the one before left.
  private static let expressions: [String: [String]] = [
    "falcon": [#"[\p{P}\$\+<=>\^~\|`]+"#, gpt2, "[0-9][0-9][0-9]"],
    "deepseek-llm": [
      #"[\r\n]"#, #"\s?["# + deepSeekLetters + "]+",
      #"\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+"#,
      #"\s+$"#, #"[\x{4E00}-\x{9FA5}\x{0800}-\x{4E00}\x{AC00}-\x{D7FF}]+"#, #"\p{N}+"#,
    ],
    "deepseek-coder": [
      #"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#,
      #"[\x{4E00}-\x{9FA5}\x{0800}-\x{4E00}\x{AC00}-\x{D7FF}]+"#, #"\p{N}"#,
    ],
    "deepseek-v3": deepSeek3,
    "hunyuan-dense": deepSeek3,
    "joyai-llm": deepSeek3,
  ]

  private static let deepSeek3 = [
    #"\p{N}{1,3}"#, #"[\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+"#,
    ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
      + #"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
  ]

  /// The letters of cased scripts (Latin, Greek, Cyrillic, Armenian, Georgian and others), as
  /// DeepSeek's first tokenizers list them.
  private static let deepSeekLetters =
    #"A-Za-z\x{00B5}\x{00C0}-\x{00D6}\x{00D8}-\x{00F6}\x{00F8}-\x{01BA}\x{01BC}-\x{01BF}"#
    + #"\x{01C4}-\x{0293}\x{0295}-\x{02AF}\x{0370}-\x{0373}\x{0376}\x{0377}\x{037B}-\x{037D}"#
    + #"\x{037F}\x{0386}\x{0388}-\x{038A}\x{038C}\x{038E}-\x{03A1}\x{03A3}-\x{03F5}\x{03F7}-"#
    + #"\x{0481}\x{048A}-\x{052F}\x{0531}-\x{0556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}"#
    + #"-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}"#
    + #"\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-"#
    + #"\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}"#
    + #"\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}"#
    + #"-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}"#
    + #"-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-"#
    + #"\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-"#
    + #"\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-"#
    + #"\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}"#
    + #"-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}"#
    + #"\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}"#
    + #"\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}"#
}
