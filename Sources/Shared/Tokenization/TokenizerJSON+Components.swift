// SPDX-License-Identifier: Apache-2.0
import Streams

// The normalizer, the pre-tokenizer and the decoder of tokenizer.json.

extension TokenizerJSON {
  // MARK: Normalizer

  func normalizerSteps(_ value: JSONValue, _ field: String) throws -> [Normalizer.Step] {
    if value.isNull { return [] }
    switch try type(of: value, field) {
    case "NFC": return [.unicode(.nfc)]
    case "NFD": return [.unicode(.nfd)]
    case "Lowercase": return [.lowercase]
    case "StripAccents": return [.stripAccents]
    case "Nmt": return [.nmt]
    case "Strip":
      return [
        .strip(
          left: try flag(value, "strip_left", default: true),
          right: try flag(value, "strip_right", default: true))
      ]
    case "Prepend":
      return [.prepend(Array(try string(value["prepend"] ?? .null, field + ".prepend").utf8))]
    case "Replace":
      let content = try string(value["content"] ?? .null, field + ".content")
      return [.replace(try pattern(value, field), with: Array(content.utf8))]
    case "Precompiled":
      guard let text = value["precompiled_charsmap"]?.text,
        let bytes = Base64.decode(text), let table = ReplacementTable(bytes)
      else { throw invalid(field + ".precompiled_charsmap", "a table in base64", "something else") }
      return [.precompiled(table)]
    case "Sequence":
      return try list(value["normalizers"] ?? .null, field + ".normalizers")
        .flatMap { try normalizerSteps($0, field) }
    case let other: throw unsupported(field, other)
    }
  }

  // MARK: Pre-tokenizer

  mutating func readPreTokenizer(_ value: JSONValue) throws {
    var parts: [JSONValue] = value.isNull ? [] : [value]
    if let first = parts.first, try type(of: first, "pre_tokenizer") == "Sequence" {
      parts = try flattened(first)
    }
    let names = try parts.map { try type(of: $0, "pre_tokenizer") }
    let isByteLevel = names.last == "ByteLevel"
    if names.dropLast().contains("ByteLevel") {
      throw unsupported("pre_tokenizer", names.joined(separator: "+"))
    }
    if definition.kind != .unigram { definition.kind = isByteLevel ? .bytePairs : .characterPairs }
    if isByteLevel, definition.kind == .unigram {
      throw unsupported("pre_tokenizer", "ByteLevel for Unigram")
    }
    var steps: [PreTokenizer.Step] = []
    for (part, name) in zip(parts, names) { steps += try preTokenizerSteps(part, name) }
    // Digits alone and then GPT-2's split has a scanner of its own.
    let digits = PreTokenizer.Step.split(.characters(.number), .isolated, inverted: false)
    if steps == [digits, .split(.rule(.gpt2), .isolated, inverted: false)] {
      definition.split(by: .gpt2IsolatedDigits)
    } else {
      definition.preTokenizer.steps = steps
    }
  }

  private func flattened(_ sequence: JSONValue) throws -> [JSONValue] {
    try list(sequence["pretokenizers"] ?? .null, "pre_tokenizer.pretokenizers").flatMap { part in
      try type(of: part, "pre_tokenizer") == "Sequence" ? try flattened(part) : [part]
    }
  }

  private func preTokenizerSteps(_ value: JSONValue, _ name: String) throws -> [PreTokenizer.Step] {
    func split(_ pattern: TextPattern, _ behavior: SplitBehavior) -> PreTokenizer.Step {
      .split(pattern, behavior, inverted: false)
    }
    switch name {
    case "ByteLevel":
      let prefix: [PreTokenizer.Step] =
        try flag(value, "add_prefix_space", default: true) ? [.prefixSpace] : []
      return try flag(value, "use_regex", default: true)
        ? prefix + [split(.rule(.gpt2), .isolated)] : prefix
    case "Split":
      return [
        .split(
          try pattern(value, "pre_tokenizer"), try behavior(value),
          inverted: try flag(value, "invert", default: false))
      ]
    case "Digits":
      let alone = try flag(value, "individual_digits", default: false)
      return [split(.characters(.number), alone ? .isolated : .contiguous)]
    case "Punctuation": return [split(.characters(.punctuation), try behavior(value))]
    case "WhitespaceSplit": return [split(.characters(.whitespace), .removed)]
    case "Whitespace": return [.split(.words, .removed, inverted: true)]
    case "BertPreTokenizer":
      return [
        split(.characters(.whitespace), .removed), split(.characters(.punctuation), .isolated),
      ]
    case "CharDelimiterSplit":
      let delimiter = try string(value["delimiter"] ?? .null, "pre_tokenizer.delimiter")
      return [split(.literal(Array(delimiter.utf8)), .removed)]
    case "Metaspace": return [.metaspace(try metaspace(value))]
    default: throw unsupported("pre_tokenizer", name)
    }
  }

  private func metaspace(_ value: JSONValue) throws -> PreTokenizer.Metaspace {
    let replacement = try value["replacement"].map { try string($0, "replacement") } ?? "\u{2581}"
    var prefix = PreTokenizer.Metaspace.Prefix.always
    if let scheme = value["prepend_scheme"], !scheme.isNull {
      guard let known = PreTokenizer.Metaspace.Prefix(rawValue: scheme.text ?? "") else {
        throw unsupported("pre_tokenizer", "Metaspace with prepend_scheme \(scheme.text ?? "")")
      }
      prefix = known
    } else if try !flag(value, "add_prefix_space", default: true) {
      prefix = .never
    }
    return PreTokenizer.Metaspace(
      replacement: Array(replacement.utf8), prefix: prefix,
      splits: try flag(value, "split", default: true))
  }

  // MARK: Patterns

  private func behavior(_ value: JSONValue) throws -> SplitBehavior {
    guard let found = value["behavior"], !found.isNull else { return .isolated }
    guard let behavior = SplitBehavior(rawValue: found.text ?? "") else {
      throw unsupported("pre_tokenizer", "behavior \(found.text ?? found.kind.rawValue)")
    }
    return behavior
  }

  /// `{"String": …}` or `{"Regex": …}`: a known expression by its scanner, others by PCRE2.
  private func pattern(_ value: JSONValue, _ field: String) throws -> TextPattern {
    if let text = value["pattern"]?["String"]?.text { return .literal(Array(text.utf8)) }
    guard let text = value["pattern"]?["Regex"]?.text else {
      throw invalid(field + ".pattern", "String or Regex", "something else")
    }
    do throws(RegularExpression.Problem) {
      return try TextPattern(regularExpression: text)
    } catch {
      switch error {
      case .unsupported(let construct):
        throw unsupported(field, "with the expression \(text) (\(construct))")
      case .invalid(let message):
        throw invalid(field + ".pattern.Regex", "a regular expression", "\(text) (\(message))")
      }
    }
  }

  // MARK: Decoder

  /// Decoding follows from the model; what would decode otherwise is refused.
  func checkDecoder(_ value: JSONValue) throws {
    if value.isNull { return }
    switch try type(of: value, "decoder") {
    case "ByteLevel", "Metaspace", "Replace", "ByteFallback", "Fuse", "Strip": return
    case "Sequence":
      for part in try list(value["decoders"] ?? .null, "decoder.decoders") {
        try checkDecoder(part)
      }
    case let other: throw unsupported("decoder", other)
    }
  }
}

extension TextPattern {
  /// The scanner of a known expression, or PCRE2 for others.
  init(regularExpression text: String) throws(RegularExpression.Problem) {
    if let rule = SplitRule(pattern: text) {
      self = .rule(rule)
    } else {
      self = .regularExpression(try RegularExpression(text))
    }
  }
}
