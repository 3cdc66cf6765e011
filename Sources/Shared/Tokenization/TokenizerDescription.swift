// SPDX-License-Identifier: Apache-2.0
package import Streams

extension Tokenizer {
  /// What a tokenizer does, as the members of an object.
  package func describe(to writer: inout JSONWriter) {
    writer.field("kind", kind)
    writer.field("vocabulary", vocabularySize)
    writer.field("added_tokens", addedTokenCount)
    writer.field("normalizer", normalizer.steps.map(\.words))
    writer.field("split", preTokenizer.steps.map(\.words))
    for (name, id) in [
      ("begin_of_text", beginOfText), ("end_of_text", endOfText), ("padding", padding),
      ("unknown", unknown),
    ] {
      guard let id else { continue }
      writer.object(name) { writer in
        writer.field("id", Int(id))
        writer.field("text", decodeText([id]))
      }
    }
    writer.field("adds_begin_of_text", addsBeginOfText)
    writer.field("adds_end_of_text", addsEndOfText)
    writer.field("sha256", digest())
  }
}

extension Normalizer.Step {
  /// The step for people to read.
  fileprivate var words: String {
    switch self {
    case .unicode(let form): form.rawValue
    case .lowercase: "lowercase"
    case .stripAccents: "strip accents"
    case .strip: "strip"
    case .prepend(let text): "prepend \(quoted(text))"
    case .replace(let pattern, let text): "replace \(pattern.words) by \(quoted(text))"
    case .nmt: "nmt"
    case .precompiled: "precompiled table"
    case .sentencePiece: "sentencepiece"
    }
  }
}

extension PreTokenizer.Step {
  fileprivate var words: String {
    switch self {
    case .split(let pattern, let behavior, let inverted):
      "\(pattern.words)\(behavior == .isolated ? "" : " \(behavior.rawValue)")"
        + (inverted ? " inverted" : "")
    case .prefixSpace: "space before"
    case .metaspace(let metaspace): "metaspace, prefix \(metaspace.prefix.rawValue)"
    }
  }
}

extension TextPattern {
  fileprivate var words: String {
    if case .literal(let text) = self { return quoted(text) }
    return description
  }
}

private func quoted(_ text: [UInt8]) -> String { "'\(String(decoding: text, as: UTF8.self))'" }
