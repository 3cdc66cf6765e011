// SPDX-License-Identifier: Apache-2.0
package import Records
package import Streams
package import Tokenization

/// Which tokens are targets where a record has a prompt or several speakers.
package enum TrainOn: String, Sendable, CaseIterable {
  /// Only what the assistant says (the completion).
  case completion
  /// Every token.
  case all
}

/// Makes examples of records: Documentation/formats/encoding.md says how. May be used by many
/// threads at once.
package struct ExampleEncoder: Sendable {
  package struct Options: Sendable {
    package var chatTemplate = ChatTemplateChoice.auto
    package var trainOn = TrainOn.completion
    /// Tokens that an example may have; the end of longer records is cut off.
    package var context = 2048

    package init() {}
  }

  /// What stands in the place of the template where there is none to use.
  private enum Template {
    case ready(any ChatTemplate)
    case missing
    case failed(JinjaError)
  }

  private let tokenizer: Tokenizer?
  /// Tokens that an example may have.
  package var context: Int { options.context }
  private let template: Template
  private let tokenTexts: SpecialTokenTexts
  private let options: Options
  private let vocabularySize: Int

  /// - Parameters:
  ///   - tokenizer: nil for records of `input_ids` alone.
  ///   - vocabularySize: ids from here on are refused; by default the tokenizer's size.
  /// - Throws: ``ExampleError/unknownTemplateName(_:)``, ``ExampleError/missingToken(_:template:)``.
  package init(
    tokenizer: Tokenizer?, options: Options = Options(), vocabularySize: Int? = nil
  ) throws(ExampleError) {
    self.tokenizer = tokenizer
    self.options = options
    self.vocabularySize = vocabularySize ?? tokenizer?.vocabularySize ?? Int(Int32.max)
    template = try ExampleEncoder.template(options.chatTemplate, tokenizer)
    func text(_ id: Int32?) -> String? { id.flatMap { tokenizer?.decodeText([$0]) } }
    tokenTexts = SpecialTokenTexts(
      beginOfText: text(tokenizer?.beginOfText), endOfText: text(tokenizer?.endOfText),
      unknown: text(tokenizer?.unknown), padding: text(tokenizer?.padding))
    if case .ready(let template) = template, let tokenizer {
      for token in template.requiredTokens where !tokenizer.isAddedToken(token) {
        throw .missingToken(token, template: template.name)
      }
    }
  }

  private static func template(
    _ choice: ChatTemplateChoice, _ tokenizer: Tokenizer?
  ) throws(ExampleError) -> Template {
    switch choice {
    case .named(let name):
      guard let template = ChatTemplateCatalog.all.first(where: { $0.name == name }) else {
        throw .unknownTemplateName(name)
      }
      return .ready(template)
    case .auto:
      guard let tokenizer, let jinja = tokenizer.chatTemplate else { return .missing }
      // The most common template needs no interpreter, where its turns can be cut apart.
      if let known = ChatML(recognising: jinja),
        known.requiredTokens.allSatisfy(tokenizer.hasAddedToken)
      {
        return .ready(known)
      }
      do throws(JinjaError) {
        return .ready(JinjaChatTemplate(name: "of the model", template: try JinjaTemplate(jinja)))
      } catch {
        return .failed(error)
      }
    }
  }

  /// Where the template of conversations is from, and its name, as an object; null where there is
  /// none.
  package func describeTemplate(to writer: inout JSONWriter) {
    let source = options.chatTemplate == .auto ? "model" : "name"
    switch template {
    case .missing: writer.null()
    case .ready(let template):
      writer.object { writer in
        writer.field("from", source)
        writer.field("name", template.name)
        writer.field("interpreted", template is JinjaChatTemplate)
      }
    case .failed(let error):
      writer.object { writer in
        writer.field("from", source)
        writer.field("error", error.message)
      }
    }
  }

  /// The example of one record; it may have no target (``Example/isLost``).
  ///
  /// - Throws: `RecordError` for a bad record, ``ExampleError`` for what no record can mend.
  package func encode(_ content: RecordContent, at place: RecordLocation) throws -> Example {
    switch content {
    case .tokens(let ids, let labels): return try encode(ids, labels, place)
    case .text(let text): return try encode(text: text, place)
    case .promptCompletion(let prompt, let completion):
      let messages = [
        Message(role: .user, content: prompt), Message(role: .assistant, content: completion),
      ]
      return try encode(messages, place)
    case .conversation(let messages): return try encode(messages, place)
    }
  }

  /// The example of a prompt and a possible answer, which ends with the answer's text: what ends a turn is
  /// neither there nor a target.
  ///
  /// - Throws: as ``encode(_:at:)``.
  package func encode(
    prompt: String, answer: String, at place: RecordLocation
  ) throws -> Example {
    let messages = [
      Message(role: .user, content: prompt), Message(role: .assistant, content: answer),
    ]
    return try encode(messages, place, openAnswer: Array(answer.utf8))
  }

  /// The token that stands before a document in the model's eyes: the beginning token where texts get one,
  /// else the end token of the document before it.
  package var documentStart: Int32? {
    guard let tokenizer else { return nil }
    return (tokenizer.addsBeginOfText ? tokenizer.beginOfText : nil)
      ?? tokenizer.endOfText ?? tokenizer.beginOfText
  }

  /// The tokens that end an answer: the end of a text, and every token that is no text.
  package var answerEnds: Set<Int32> {
    Set(tokenizer?.specialTokens ?? []).union(tokenizer?.endOfText.map { [$0] } ?? [])
  }

  /// The text that tokens stand for; nil without a tokenizer.
  package func text(of tokens: [Int32]) -> String? {
    tokenizer?.decodeText(tokens, skipSpecial: true)
  }

  // MARK: Layouts

  private func encode(
    _ ids: [Int32], _ labels: [Int32]?, _ place: RecordLocation
  ) throws(RecordError) -> Example {
    var isTarget = [Bool](repeating: true, count: ids.count)
    for (index, id) in ids.enumerated() {
      guard id >= 0, Int(id) < vocabularySize else {
        throw .tokenOutOfRange(place, index: index, id: id, vocabularySize: vocabularySize)
      }
      guard let label = labels?[index] else { continue }
      if label == Example.ignoredLabel {
        isTarget[index] = false
      } else if label != id {
        throw .labelMismatch(place, index: index, inputID: id, label: label)
      }
    }
    return Example(tokens: ids, isTarget: isTarget, context: options.context)
  }

  private func encode(text: String, _ place: RecordLocation) throws(ExampleError) -> Example {
    guard let tokenizer else { throw .noTokenizer(place) }
    guard let end = tokenizer.endOfText else { throw .noEndOfText(place) }
    var tokens: [Int32] = []
    if tokenizer.addsBeginOfText, let begin = tokenizer.beginOfText { tokens.append(begin) }
    tokens += tokenizer.encode(text)
    if tokens.last != end { tokens.append(end) }
    let isTarget = [Bool](repeating: true, count: tokens.count)
    return Example(tokens: tokens, isTarget: isTarget, context: options.context)
  }

  /// - Parameter openAnswer: text of the last answer, with which the example is to end.
  private func encode(
    _ messages: [Message], _ place: RecordLocation, openAnswer: [UInt8]? = nil
  ) throws -> Example {
    guard let tokenizer else { throw ExampleError.noTokenizer(place) }
    let template: any ChatTemplate
    switch self.template {
    case .ready(let ready): template = ready
    case .missing: throw ExampleError.noChatTemplate(place)
    case .failed(let error):
      throw ExampleError.templateFailed(place, template: "of the model", error: error)
    }
    var chunks: [RenderedChunk]
    do throws(JinjaError) {
      chunks = try template.render(messages, tokens: tokenTexts)
    } catch {
      if case .refused = error.problem {
        throw RecordError.refusedByTemplate(
          place, template: template.name, reason: error.message)
      }
      throw ExampleError.templateFailed(place, template: template.name, error: error)
    }
    if let openAnswer { Self.open(&chunks, answer: openAnswer) }
    var tokens: [Int32] = []
    var isTarget: [Bool] = []
    if template.usesBeginOfText, tokenizer.addsBeginOfText, let begin = tokenizer.beginOfText {
      tokens.append(begin)
      isTarget.append(false)
    }
    for chunk in chunks {
      append(chunk, tokenizer, &tokens, &isTarget)
      guard chunk.endsText else { continue }
      guard let end = tokenizer.endOfText else { throw ExampleError.noEndOfText(place) }
      // As the reference, no second end where the answer's text brings its own.
      if tokens.last != end {
        tokens.append(end)
        isTarget.append(chunk.targets.last?.upperBound == chunk.text.count)
      }
    }
    if openAnswer != nil {
      // Tokens after the last target would cost time and change nothing.
      let end = (isTarget.lastIndex(of: true) ?? -1) + 1
      tokens.removeSubrange(end...)
      isTarget.removeSubrange(end...)
    } else if options.trainOn == .all {
      isTarget = [Bool](repeating: true, count: tokens.count)
    }
    return Example(tokens: tokens, isTarget: isTarget, context: options.context)
  }

  /// Cuts the last target range behind the answer's text, without white space around it where the
  /// template trims answers.
  private static func open(_ chunks: inout [RenderedChunk], answer: [UInt8]) {
    guard let index = chunks.lastIndex(where: { !$0.targets.isEmpty }),
      let range = chunks[index].targets.last
    else { return }
    let said = chunks[index].text[range]
    let trimmed = answer.drop(while: isSpace).reversed().drop(while: isSpace).reversed()
    for text in [answer[...], Array(trimmed)[...]] where !text.isEmpty {
      guard let start = said.indices.first(where: { said[$0...].starts(with: text) }) else {
        continue
      }
      chunks[index].targets[chunks[index].targets.count - 1] =
        range.lowerBound..<start + text.count
      chunks[index].endsText = false
      chunks.removeSubrange((index + 1)...)
      return
    }
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || (0x09...0x0d).contains(byte)
  }

  /// Tokenizes a chunk and finds the tokens of its target ranges.
  ///
  /// A range begins where the tokens of the text before it and those of the whole chunk part: the
  /// token that joins the two sides, if there is one, belongs to the range. (trl 1.16, prompt and
  /// completion.)
  private func append(
    _ chunk: RenderedChunk, _ tokenizer: Tokenizer, _ tokens: inout [Int32],
    _ isTarget: inout [Bool]
  ) {
    let whole = chunk.text.withUnsafeBytes { tokenizer.encode($0) }
    var flags = [Bool](repeating: false, count: whole.count)
    func firstToken(after offset: Int) -> Int {
      if offset == 0 { return 0 }
      if offset == chunk.text.count { return whole.count }
      let head = chunk.text[..<offset].withUnsafeBytes { tokenizer.encode($0) }
      return zip(head, whole).prefix { $0 == $1 }.count
    }
    for range in chunk.targets {
      let first = firstToken(after: range.lowerBound)
      for index in first..<max(first, firstToken(after: range.upperBound)) { flags[index] = true }
    }
    tokens += whole
    isTarget += flags
  }
}
