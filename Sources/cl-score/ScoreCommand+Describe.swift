// SPDX-License-Identifier: Apache-2.0
import Adapters
import CommandSupport
import Compute
import Devices
import Examples
import LanguageModels
import Streams
import Tokenization

extension ScoreCommand {
  /// A line about the model, the adapter on it, the tokenizer and the chat template, and what
  /// scoring will take.
  func describeModel() throws {
    guard encoding.model != nil || encoding.tokenizer != nil else {
      throw UsageError("--describe needs --model or --tokenizer")
    }
    let base = try encoding.model.map { try BaseModel(path: $0) }
    let tokenizer = try encoding.loadTokenizer()
    let encoder = try ExampleEncoder(
      tokenizer: tokenizer, options: encoding.encoding(of: base),
      vocabularySize: base?.config.vocabularySize)
    let model = try base.map { try DescribedModel($0, encoding, threads: common.threadCount) }
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("type", "model")
      writer.field("v", 1)
      model?.write(to: &writer)
      if let tokenizer { writer.object("tokenizer") { tokenizer.describe(to: &$0) } }
      writer.key("chat_template")
      encoder.describeTemplate(to: &writer)
      writer.field("context", encoder.context)
    }
    writer.newline()
    let sink = try OutputSink(path: common.output)
    try sink.write(writer.bytes)
    try sink.close()
  }
}

/// A model that is opened to be described: every tensor has been asked for, nothing was computed.
private struct DescribedModel {
  private let base: BaseModel
  private let digest: String
  private let adapterDigest: String?
  private let modules: [LoRAModule]
  private let plan: MemoryPlan
  private let work: DeviceMemory

  init(_ base: BaseModel, _ options: EncodingOptions, threads: Int) throws {
    self.base = base
    digest = base.digest()
    let adapter = try options.adapter.map { try AdapterReader.read(path: $0) }
    adapterDigest = adapter?.digest()
    modules = try adapter.map { try LoRAModule.modules(of: $0, config: base.config) } ?? []
    let device = try DeviceCatalog.make(
      options.device, threads: threads, precision: options.precision)
    let model = try LanguageModel(base: base, modules: modules, device: device)
    let tokens = options.encoding(of: base).context
    plan = model.memoryPlan(rows: tokens, trains: false)
    let row = PackedRow([
      (
        tokens: [Int32](repeating: 0, count: tokens),
        isTarget: [Bool](repeating: true, count: tokens)
      )
    ])
    work = try model.rehearse(plan, rows: [row], trains: false)
  }

  func write(to writer: inout JSONWriter) {
    writer.object("base_model") { base.describe(to: &$0, digest: digest) }
    if let adapterDigest {
      writer.field("adapter", adapterDigest)
      writer.array("adapted") { LoRAModule.describe(modules, of: base.config, to: &$0) }
    }
    writer.object("memory_bytes") { writer in
      writer.field("weights_mapped", plan.mappedBytes)
      writer.field("workspace", plan.allocatedBytes - plan.adapterBytes)
      writer.field("operations", work.workBytes)
      writer.field("adapter", plan.adapterBytes)
    }
  }
}
