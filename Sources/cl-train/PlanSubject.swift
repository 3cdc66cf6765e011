// SPDX-License-Identifier: Apache-2.0
import Examples
import LanguageModels
import Streams
import Tokenization

/// What a plan is about: the model, how its text is encoded, and what is adapted.
struct PlanSubject {
  private let session: TrainSession
  private let tokenizer: Tokenizer?
  private let encoder: ExampleEncoder

  init(_ session: TrainSession) throws {
    self.session = session
    tokenizer = try TrainRecords.tokenizer(session.options.model)
    encoder = try ExampleEncoder(
      tokenizer: tokenizer, options: session.options.loop.encoding(of: session.base),
      vocabularySize: session.base.config.vocabularySize)
  }

  func write(to writer: inout JSONWriter) {
    let base = session.base
    writer.object("base_model") { base.describe(to: &$0, digest: session.baseDigest) }
    writer.array("adapted") {
      LoRAModule.describe(session.model.lora?.modules ?? [], of: base.config, to: &$0)
    }
    if let tokenizer { writer.object("tokenizer") { tokenizer.describe(to: &$0) } }
    writer.key("chat_template")
    encoder.describeTemplate(to: &writer)
    writer.field("context", encoder.context)
  }
}

extension LoopOptions {
  /// How records become examples.
  func encoding(of base: BaseModel) -> ExampleEncoder.Options {
    var encoding = ExampleEncoder.Options()
    encoding.chatTemplate = ChatTemplateChoice(argument: chatTemplate)
    encoding.trainOn = trainOn
    encoding.context = context ?? min(base.config.maximumContext, 2048)
    return encoding
  }
}
