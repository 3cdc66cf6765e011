// SPDX-License-Identifier: Apache-2.0
import Examples
import Foundation
import Records
import Streams
import TestSupport
import Testing
import Tokenization

/// Conversations rendered by jinja2 and encoded by Hugging Face `tokenizers`, with targets by trl's
/// rules; Tests/Fixtures/examples/make_examples.py made them.
@Suite struct ChatReferenceTests {
  private struct Entry {
    let messages: [Message]
    let ids: [Int32]
    let targets: [Int]
    let completionStart: Int?
  }

  private func entries(_ path: String) throws -> (template: String, entries: [Entry]) {
    let file = try JSONValue(parsing: Array(Data(contentsOf: URL(fileURLWithPath: path))))
    let entries = try #require(file["entries"]?.elements).map { value in
      Entry(
        messages: try #require(value["messages"]?.elements).map {
          Message(
            role: try #require(Message.Role(rawValue: $0["role"]?.text ?? "")),
            content: try #require($0["content"]?.text))
        },
        ids: try #require(value["input_ids"]?.elements).compactMap { $0.int.map { Int32($0) } },
        targets: try #require(value["targets"]?.elements).compactMap(\.int),
        completionStart: value["completion_start"]?.int)
    }
    return (try #require(file["template"]?.text), entries)
  }

  private func check(_ entries: [Entry], _ encoder: ExampleEncoder) throws {
    #expect(entries.count == 73)
    for entry in entries {
      let example = try encoder.encode(.conversation(entry.messages), at: place)
      #expect(example.tokens == entry.ids, "\(entry.messages)")
      #expect(targets(example) == entry.targets, "\(entry.messages)")
      #expect(example.targetCount == entry.targets.count)
      guard let start = entry.completionStart else { continue }
      // The same exchange as prompt and completion.
      let exchange = try encoder.encode(
        .promptCompletion(
          prompt: entry.messages[0].content, completion: entry.messages[1].content), at: place)
      #expect(exchange == example)
      #expect(targets(exchange) == Array(start..<entry.ids.count))
    }
  }

  @Test func modelTemplateIsFollowed() throws {
    let (template, entries) = try entries(PackageLayout.fixture("examples/chatml.json"))
    try check(entries, try encoder(try smallTokenizer(template: template)))
  }

  /// The same template through the interpreter, which a comment keeps from being recognised, and
  /// the common-prefix rule.
  @Test func interpretedTemplateGivesTheSame() throws {
    let (template, entries) = try entries(PackageLayout.fixture("examples/chatml.json"))
    try check(entries, try encoder(try smallTokenizer(template: template + "{# own #}")))
  }

  /// The real model's tokenizer and template, where `make model` fetched it: the first example is
  /// known in ids, computed by the same script with that tokenizer.
  @Test(.enabled(if: PackageLayout.smolLM2 != nil))
  func smolLM2TemplateIsRecognised() throws {
    let tokenizer = try Tokenizer.load(path: try #require(PackageLayout.smolLM2))
    let example = try encoder(tokenizer).encode(
      .promptCompletion(prompt: "Count the sacks.", completion: "There are 12 sacks."), at: place)
    #expect(
      example.tokens == [
        1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308,
        34519, 28, 7018, 411, 407, 19712, 8182, 2, 198, 1, 4093, 198,
        9825, 260, 262, 2472, 30, 2, 198, 1, 520, 9531, 198, 2122,
        359, 216, 33, 34, 262, 2472, 30, 2, 198,
      ])
    #expect(targets(example) == [35, 36, 37, 38, 39, 40, 41, 42, 43, 44])
  }

  /// Newlines written as escapes, and a template without a default system message.
  @Test func spellingsOfChatMLAreRecognised() throws {
    let plain =
      #"{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "#
      + #"message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"#
      + #"{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"#
    let messages = [
      Message(role: .user, content: "a"), Message(role: .assistant, content: "b"),
    ]
    let own = try encoder(try smallTokenizer(template: plain))
    let named = try encoder(try smallTokenizer(), template: "chatml")
    let example = try own.encode(.conversation(messages), at: place)
    #expect(try named.encode(.conversation(messages), at: place) == example)
    let text = try smallTokenizer().decodeText(example.tokens)
    #expect(text == "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n")
  }

  @Test func trainingOnAllTakesEveryTokenButTheFirst() throws {
    let all = try encoder(try smallTokenizer(), template: "chatml", trainOn: .all)
    let example = try all.encode(.promptCompletion(prompt: "a", completion: "b"), at: place)
    #expect(targets(example) == Array(1..<example.tokens.count))
  }
}

@Suite struct ExampleEncoderTests {
  @Test func textIsTargetToItsEnd() throws {
    let tokenizer = try smallTokenizer()
    let end: Int32 = 0
    let example = try encoder(tokenizer).encode(.text("the miller"), at: place)
    let ids = tokenizer.encode("the miller")
    #expect(example.tokens == ids + [end])
    #expect(targets(example) == Array(1...ids.count))
    #expect(example.labels == [-100] + ids.dropFirst() + [end])
    // As the reference, no second end.
    let ended = try encoder(tokenizer).encode(.text("the miller<|endoftext|>"), at: place)
    #expect(ended == example)
    // Nothing precedes the only token.
    #expect(try encoder(tokenizer).encode(.text(""), at: place).isLost)
  }

  @Test func textBeginsAsTheConfigurationSays() throws {
    let tokenizer = try smallTokenizer(
      configuration: #""bos_token":"<|im_start|>","add_bos_token":true,"#)
    let example = try encoder(tokenizer).encode(.text("the"), at: place)
    #expect(example.tokens == [1] + tokenizer.encode("the") + [0])
    let plain = try encoder(tokenizer, template: "none").encode(
      .promptCompletion(prompt: "the", completion: " miller"), at: place)
    #expect(plain.tokens.first == 1 && !plain.isTarget[1])
    // A model's template writes its own beginning.
    let chat = try encoder(tokenizer, template: "chatml").encode(
      .promptCompletion(prompt: "the", completion: " miller"), at: place)
    #expect(chat.tokens.prefix(2) != [1, 1])
  }

  @Test func withoutTemplateThePartsAreJoined() throws {
    let tokenizer = try smallTokenizer()
    let plain = try encoder(tokenizer, template: "none")
    let example = try plain.encode(
      .promptCompletion(prompt: "the mill", completion: "er counted"), at: place)
    let whole = tokenizer.encode("the miller counted")
    #expect(example.tokens == whole + [0])
    // " miller" is one token in the whole and another in the prompt: it joins the two and counts.
    let common = zip(whole, tokenizer.encode("the mill")).prefix { $0 == $1 }.count
    #expect(common == 1)
    #expect(targets(example) == Array(common...whole.count))
    // Each answer ends with the end token; what a user says after the last answer is no target.
    let talk = try plain.encode(
      .conversation([
        Message(role: .user, content: "the"), Message(role: .assistant, content: " miller"),
        Message(role: .user, content: "a"), Message(role: .assistant, content: "b"),
        Message(role: .user, content: "c"),
      ]), at: place)
    #expect(tokenizer.decodeText(talk.tokens) == "the miller<|endoftext|>ab<|endoftext|>c")
    let said = targets(talk).map { talk.tokens[$0] }
    #expect(tokenizer.decodeText(said) == " miller<|endoftext|>b<|endoftext|>")
  }

  @Test func labelsAreTaken() throws {
    let ids: [Int32] = [5, 6, 7, 8]
    let bare = try encoder(nil)
    let all = try bare.encode(.tokens(inputIDs: ids, labels: nil), at: place)
    #expect(targets(all) == [1, 2, 3])
    let some = try bare.encode(.tokens(inputIDs: ids, labels: [5, -100, 7, 8]), at: place)
    #expect(targets(some) == [2, 3] && some.labels == [-100, -100, 7, 8])
    #expect(throws: RecordError.labelMismatch(place, index: 1, inputID: 6, label: 9)) {
      try bare.encode(.tokens(inputIDs: ids, labels: [5, 9, 7, 8]), at: place)
    }
    let small = try ExampleEncoder(tokenizer: nil, vocabularySize: 8)
    #expect(throws: RecordError.tokenOutOfRange(place, index: 3, id: 8, vocabularySize: 8)) {
      try small.encode(.tokens(inputIDs: ids, labels: nil), at: place)
    }
  }

  @Test func truncationLosesTheEndAndIsCounted() throws {
    let ids = (0..<10).map { Int32($0) }
    let labels: [Int32] = [-100, -100, -100, -100, 4, 5, 6, 7, 8, 9]
    var counts = ExampleCounts()
    for context in [10, 6, 4] {
      let example = try encoder(nil, context: context).encode(
        .tokens(inputIDs: ids, labels: labels), at: place)
      #expect(example.tokens == Array(ids.prefix(context)))
      #expect(example.fullTokenCount == 10 && example.fullTargetCount == 6)
      #expect(example.targetCount == max(0, context - 4))
      counts.add(example)
    }
    #expect(counts.records == 3 && counts.truncatedRecords == 2 && counts.lostRecords == 1)
    #expect(counts.tokens == 20 && counts.targetTokens == 8)
    #expect(counts.truncatedTokens == 10 && counts.truncatedTargetTokens == 10)
  }

  @Test func whatIsMissingIsNamed() throws {
    let unknown = try encoder(try smallTokenizer(template: "a\n{% include 'b' %}"))
    let exchange = RecordContent.promptCompletion(prompt: "a", completion: "b")
    let failure = JinjaError(.unsupported("{% include %}"), line: 2)
    let error = ExampleError.templateFailed(place, template: "of the model", error: failure)
    #expect(throws: error) { try unknown.encode(exchange, at: place) }
    // Texts need no template.
    #expect(try !unknown.encode(.text("the miller"), at: place).isLost)
    #expect(throws: ExampleError.noChatTemplate(place)) {
      try encoder(try smallTokenizer()).encode(exchange, at: place)
    }
    #expect(throws: ExampleError.noTokenizer(place)) {
      try encoder(nil).encode(.text("a"), at: place)
    }
    #expect(throws: ExampleError.unknownTemplateName("llama9")) {
      try encoder(try smallTokenizer(), template: "llama9")
    }
    let bare = try Tokenizer.load(path: PackageLayout.fixture("tokenizers/smollm"))
    #expect(throws: ExampleError.noEndOfText(place)) {
      try encoder(bare).encode(.text("a"), at: place)
    }
    #expect(error.category == .unsupportedConfiguration)
    #expect(
      error.message == "chat template of the model, line 2: {% include %} is not supported")
    #expect(
      error.hint
        == "use --chat-template none, or a name: chatml, llama2, llama3, phi3, gemma, mistral")
    // A conversation that the template itself refuses is a bad record, which --skip-invalid counts.
    let strict = try encoder(try smallTokenizer(template: "{{ raise_exception('no') }}"))
    let refusal = try #require(throws: RecordError.self) {
      try strict.encode(exchange, at: place)
    }
    #expect(refusal.category == .badData && refusal.location == "records.jsonl:7")
    #expect(
      refusal.message == "chat template of the model refuses the conversation: line 1: no")
  }

  /// What each template by name writes, and which part of it is to be learned.
  @Test(arguments: [
    (
      "llama2", "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nq [/INST]", " a </s>", "<s>[INST] r [/INST]",
      " b </s>"
    ),
    (
      "llama3",
      "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
        + "<|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|>"
        + "<|start_header_id|>assistant<|end_header_id|>\n\n", "a<|eot_id|>",
      "<|start_header_id|>user<|end_header_id|>\n\nr<|eot_id|>"
        + "<|start_header_id|>assistant<|end_header_id|>\n\n", "b<|eot_id|>"
    ),
    (
      "phi3", "<|system|>\nS<|end|>\n<|user|>\nq<|end|>\n<|assistant|>\n", "a<|end|>\n",
      "<|user|>\nr<|end|>\n<|assistant|>\n", "b<|end|>\n</s>"
    ),
    (
      "gemma", "<s><start_of_turn>user\nS\n\nq<end_of_turn>\n<start_of_turn>model\n",
      "a<end_of_turn>\n", "<start_of_turn>user\nr<end_of_turn>\n<start_of_turn>model\n",
      "b<end_of_turn>\n"
    ),
    ("mistral", "<s>[INST] S\n\nq [/INST]", " a</s>", "[INST] r [/INST]", " b</s>"),
  ])
  func namedTemplates(name: String, before: String, first: String, between: String, last: String)
    throws
  {
    let template = try #require(ChatTemplateCatalog.all.first { $0.name == name })
    let talk: [(Message.Role, String)] = [
      (.system, "S"), (.user, "q"), (.assistant, "a"), (.user, "r"), (.assistant, "b"),
    ]
    let chunks = try template.render(
      talk.map { Message(role: $0.0, content: $0.1) },
      tokens: SpecialTokenTexts(beginOfText: "<s>", endOfText: "</s>"))
    #expect(chunks.count == 1)
    let chunk = try #require(chunks.first)
    #expect(String(decoding: chunk.text, as: UTF8.self) == before + first + between + last)
    let answers = chunk.targets.map { String(decoding: chunk.text[$0], as: UTF8.self) }
    #expect(answers == [first, last])
  }

  @Test func turnsOutOfOrderAreRefused() throws {
    for name in ["llama2", "gemma", "mistral"] {
      let template = try #require(ChatTemplateCatalog.all.first { $0.name == name })
      let error = #expect(throws: JinjaError.self) {
        try template.render(
          [Message(role: .assistant, content: "a")],
          tokens: SpecialTokenTexts(beginOfText: "<s>", endOfText: "</s>"))
      }
      #expect(error?.message.contains("found assistant") == true)
    }
  }

  /// Templates that write earlier turns in another way once more follows.
  @Test func targetsAreAnswersWhateverTheTemplateDoes() throws {
    let messages = [
      Message(role: .user, content: "q"), Message(role: .assistant, content: "x</t>aÀ"),
      Message(role: .user, content: "r"), Message(role: .assistant, content: "y</t>b"),
    ]
    // Thoughts only in the last answer; an end token only at the very end; the prompt opens one.
    let text =
      "{% for m in messages %}<{{ m.role }}>"
      + "{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</t>')[-1] }}"
      + "{% else %}{{ m.content }}{% endif %};"
      + "{% if loop.last and not add_generation_prompt %}{{ eos_token }}{% endif %}{% endfor %}"
      + "{% if add_generation_prompt %}<assistant>{% endif %}"
    let template = JinjaChatTemplate(name: "t", template: try JinjaTemplate(text))
    let chunks = try template.render(messages, tokens: SpecialTokenTexts(endOfText: "!"))
    let chunk = try #require(chunks.first)
    #expect(
      String(decoding: chunk.text, as: UTF8.self)
        == "<user>q;<assistant>aÀ;<user>r;<assistant>y</t>b;!")
    let answers = chunk.targets.map { String(decoding: chunk.text[$0], as: UTF8.self) }
    #expect(answers == ["aÀ;", "y</t>b;!"])
  }

  @Test func templatesNeedTheirTokens() throws {
    let folder = try TemporaryDirectory()
    try folder.write(
      "tokenizer.json",
      #"{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"pre_tokenizer":"#
        + #"{"type":"ByteLevel","add_prefix_space":false}}"#)
    let tokenizer = try Tokenizer.load(path: folder.path)
    #expect(throws: ExampleError.missingToken("<|im_start|>", template: "chatml")) {
      try encoder(tokenizer, template: "chatml")
    }
  }
}

@Suite struct ExampleSetTests {
  private let lines = [
    #"{"input_ids":[1,2,3],"cl_score":{"v":1,"quality":0.5}}"#,
    #"{"input_ids":[4,5,6,7],"labels":[-100,-100,-100,7]}"#,
    #"{"input_ids":[9]}"#,
    #"{"input_ids":[1,2,3,4,5,6]}"#,
  ]

  @Test func recordsBecomeExamples() throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write("shard.jsonl", lines.joined(separator: "\n"))
    let reader = RecordReader(paths: [path], skipInvalid: 2)
    let set = try ExampleSet(reading: reader, encoder: try encoder(nil, context: 3))
    #expect(set.examples.map(\.tokens) == [[1, 2, 3], [1, 2, 3]])
    #expect(set.qualities == [0.5, nil])
    #expect(throws: ExampleError.noQuality(RecordLocation(file: path, line: 4))) {
      try set.allQualities()
    }
    #expect(set.locations.map(\.line) == [1, 4])
    #expect(set.counts.records == 4 && set.counts.lostRecords == 2)
    #expect(reader.skippedCount == 2)
  }

  @Test func aRecordWithoutTargetStopsTheRun() throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write("shard.jsonl", lines.joined(separator: "\n"))
    #expect(
      throws: RecordError.noTarget(RecordLocation(file: path, line: 2), tokens: 4, context: 3)
    ) {
      try ExampleSet(
        reading: RecordReader(paths: [path]), encoder: try encoder(nil, context: 3))
    }
  }
}
