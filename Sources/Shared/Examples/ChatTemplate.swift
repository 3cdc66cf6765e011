// SPDX-License-Identifier: Apache-2.0
package import Records

/// A part of a rendered conversation that is tokenized by itself.
///
/// A template may end a chunk only where the tokens do not depend on what follows: at the end, or
/// before an added token that strips nothing.
package struct RenderedChunk: Sendable, Equatable {
  package var text: [UInt8] = []
  /// Byte ranges of `text` that the assistant says, ascending, each with what ends its turn.
  package var targets: [Range<Int>] = []
  /// The end-of-text token follows; it is a target where `targets` reach to the end.
  package var endsText = false
}

/// The texts of the special tokens that templates may write; nil where the tokenizer has none.
package struct SpecialTokenTexts: Sendable, Equatable {
  package var beginOfText: String?
  package var endOfText: String?
  package var unknown: String?
  package var padding: String?

  package init(
    beginOfText: String? = nil, endOfText: String? = nil, unknown: String? = nil,
    padding: String? = nil
  ) {
    self.beginOfText = beginOfText
    self.endOfText = endOfText
    self.unknown = unknown
    self.padding = padding
  }
}

/// Turns a conversation into text.
///
/// A template is one file and one line of ``ChatTemplateCatalog``.
package protocol ChatTemplate: Sendable {
  /// As given to `--chat-template`.
  var name: String { get }
  /// Whether the tokenizer's beginning token stands before the text where its configuration says
  /// so. Templates of models write theirs themselves.
  var usesBeginOfText: Bool { get }
  /// Tokens that have to be in the vocabulary as added tokens.
  var requiredTokens: [String] { get }
  /// - Throws: ``JinjaError`` where the template is written in Jinja.
  func render(
    _ messages: [Message], tokens: SpecialTokenTexts
  ) throws(JinjaError) -> [RenderedChunk]
}

/// Which template a run uses: the argument of `--chat-template`.
package enum ChatTemplateChoice: Sendable, Equatable {
  /// The model's own.
  case auto
  /// One of ``ChatTemplateCatalog``.
  case named(String)

  package init(argument: String) { self = argument == "auto" ? .auto : .named(argument) }
}

/// The templates that can be named, and those that are recognised in a model.
package enum ChatTemplateCatalog {
  package static let all: [any ChatTemplate] =
    [PlainText(), ChatML(defaultSystem: nil)] + NamedTemplates.all

  package static var names: [String] { all.map(\.name) }
}

/// `none`: contents one after the other without markup; after each answer the end-of-text token.
package struct PlainText: ChatTemplate {
  package let name = "none"
  package let usesBeginOfText = true
  package let requiredTokens: [String] = []

  package init() {}

  package func render(_ messages: [Message], tokens: SpecialTokenTexts) -> [RenderedChunk] {
    var chunks: [RenderedChunk] = []
    var chunk = RenderedChunk()
    for message in messages {
      let start = chunk.text.count
      chunk.text.append(contentsOf: message.content.utf8)
      if message.role == .assistant {
        chunk.targets = [start..<chunk.text.count]
        chunk.endsText = true
        chunks.append(chunk)
        chunk = RenderedChunk()
      }
    }
    if !chunk.text.isEmpty { chunks.append(chunk) }
    return chunks
  }
}
