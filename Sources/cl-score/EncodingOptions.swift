// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CommandSupport
import Compute
import Devices
import Examples
import LanguageModels
import Scoring
import Streams
import Tokenization

extension TrainOn: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}

/// Options about tokens and models.
struct EncodingOptions: ParsableArguments {
  @Option(help: "Tokenizer: a model's folder, a tokenizer.json or a GGUF file.")
  var tokenizer: String?

  @Option(help: "Model to ask for likelihoods: a Hugging Face folder or a GGUF file.")
  var model: String?

  @Option(help: "Adapter on the model: a safetensors file or a PEFT folder.")
  var adapter: String?

  @Option(help: "Where the model computes: cpu, reference.")
  var device: String = "cpu"

  @Option(
    help: """
      Arithmetic of the model's large products: f32, or bf16, which is about twice as fast where the \
      processor has AVX512_BF16.
      """)
  var precision: Precision = .float32

  @Option(
    help: """
      Tokens that the model sees of a record, and the window of the length score (in words without a \
      tokenizer); by default 2048, or what the model was made for if that is less.
      """)
  var context: Int?

  @Option(help: "Which tokens are targets where there is a prompt: completion, all.")
  var trainOn: TrainOn = .completion

  @Option(help: "Chat template: auto (the model's own), none, or a name.")
  var chatTemplate: String = "auto"

  @Flag(help: "Add input_ids and labels to each record.")
  var emitIds = false

  @OptionGroup var questions: QuestionOptions

  mutating func validate() throws {
    if let context, context < 1 {
      throw ValidationError("--context: expected 1 or more, found \(context)")
    }
    if adapter != nil && model == nil { throw ValidationError("--adapter needs --model") }
    if let option = questions.first, model == nil { throw ValidationError("\(option) needs --model") }
    if questions.needsPrompts && trainOn == .all {
      throw ValidationError("--train-on all leaves no prompts for --ifd and --answer")
    }
    if emitIds && tokenizer == nil && model == nil {
      throw ValidationError("--emit-ids needs --tokenizer or --model")
    }
  }

  /// Sets what the pass needs to know, and opens the model.
  func apply(
    to pass: inout ScoringPass.Options, threads: Int, _ tool: Tool
  ) throws -> AskedModels? {
    let base = try model.map { try BaseModel(path: $0) }
    let encoding = encoding(of: base)
    let tokenizer = try loadTokenizer()
    pass.encoder = try ExampleEncoder(
      tokenizer: tokenizer, options: encoding, vocabularySize: base?.config.vocabularySize)
    pass.encodesText = tokenizer != nil || base != nil
    pass.emitsIDs = emitIds
    pass.scorer.context = encoding.context
    guard let base else { return nil }
    let device = try DeviceCatalog.make(device, threads: threads, precision: precision)
    if device.precision != precision {
      tool.note(DeviceCatalog.notice(of: device, wanted: precision))
    }
    return try questions.open(
      base: base, adapter: adapter, device: device, tokenizer: tokenizer, pass: &pass)
  }

  /// How records become examples.
  func encoding(of base: BaseModel?) -> ExampleEncoder.Options {
    var encoding = ExampleEncoder.Options()
    encoding.chatTemplate = ChatTemplateChoice(argument: chatTemplate)
    encoding.trainOn = trainOn
    encoding.context = context ?? min(base?.config.maximumContext ?? 2048, 2048)
    return encoding
  }

  /// A model need not bring a tokenizer: records of `input_ids` do without.
  func loadTokenizer() throws -> Tokenizer? {
    if let tokenizer { return try Tokenizer.load(path: tokenizer) }
    guard let model else { return nil }
    do { return try Tokenizer.load(path: model) } catch TokenizerError.noTokenizer { return nil }
  }
}
