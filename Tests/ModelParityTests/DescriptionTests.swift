// SPDX-License-Identifier: Apache-2.0
import Safetensors
import Streams
import Testing
import TestSupport

/// What cl-score and cl-train tell about a model, beside its files.
@Suite(.serialized) struct DescriptionTests {
  private func line(_ command: String) throws -> JSONValue {
    let folder = try TemporaryDirectory()
    let result = try ToolRunner.run(command, in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    return try JSONValue(parsing: Array(result.text.utf8))
  }

  private func values(_ file: SafetensorsFile, where isWanted: (String) -> Bool) -> Int {
    file.tensors.reduce(0) { $0 + (isWanted($1.name) ? $1.shape.reduce(1, *) : 0) }
  }

  @Test(arguments: ["gemma3-vision", "phi3-mini-128k", "granite"])
  func scoringTellsWhatTheFilesSay(name: String) throws {
    let golden = try Golden(name)
    let found = try line(
      "cl-score --describe --model \(golden.modelPath) --adapter \(golden.folder)/adapter-init "
        + "--context 40")
    let model = try #require(found["base_model"])
    let whole = try JSONValue(
      parsing: InputSource(path: "\(golden.modelPath)/config.json").readAll())
    let config = whole["text_config"] ?? whole
    #expect(model["family"]?.text == whole["model_type"]?.text)
    #expect(model["format"]?.text == "safetensors")
    for (key, field) in [
      ("layers", "num_hidden_layers"), ("hidden_size", "hidden_size"), ("vocabulary", "vocab_size"),
      ("heads", "num_attention_heads"), ("key_value_heads", "num_key_value_heads"),
      ("intermediate_size", "intermediate_size"), ("context", "max_position_embeddings"),
    ] {
      #expect(model[key]?.int == config[field]?.int, "\(key)")
    }
    let weights = try SafetensorsFile(path: "\(golden.modelPath)/model.safetensors")
    let parameters = values(weights) { !$0.contains("vision_") && !$0.contains("projector") }
    #expect(model["parameters"]?.int == parameters)
    #expect(model["bytes"]?["F32"]?.int == 4 * parameters)
    let factors = values(try golden.adapterFile("adapter-init")) { _ in true }
    let adapted = try #require(found["adapted"]?.elements)
    #expect(adapted.reduce(0) { $0 + ($1["parameters"]?.int ?? 0) } == factors)
    #expect(adapted.allSatisfy { $0["rank"]?.int == 4 && $0["scale"]?.number == 2 })
    #expect(found["tokenizer"] == nil && found["chat_template"] == .null)
    #expect(found["context"]?.int == 40)
    let memory = try #require(found["memory_bytes"])
    #expect(memory["weights_mapped"]?.int == 4 * parameters)
    #expect(memory["adapter"]?.int == 4 * factors)
    #expect((memory["workspace"]?.int ?? 0) > 40 * 4 * 32)
  }

  @Test func theSampleInTheDocumentationHasTheSameMembers() throws {
    let page = try InputSource(
      path: "\(PackageLayout.root)/Documentation/formats/model-description.md"
    ).readAll()
    let text = try #require(
      String(decoding: page, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("    {") })
    let sample = try JSONValue(parsing: Array(text.utf8))
    let golden = try Golden("llama3")
    let found = try line("cl-score --describe --model \(golden.modelPath)")
    #expect(sample["base_model"]?.object?.keys == found["base_model"]?.object?.keys)
    #expect(sample["memory_bytes"]?.object?.keys == found["memory_bytes"]?.object?.keys)
    let members = sample.object?.keys.filter { $0 != "tokenizer" }
    #expect(members == found.object?.keys)
  }

  @Test func aPlanTellsAboutTheModel() throws {
    let golden = try Golden("gemma3")
    let plan = try line(
      "cl-train --model \(golden.modelPath) --steps 0 --dry-run --rank 3 --lora-alpha 6 "
        + "--target-modules q_proj,up_proj --layers 1-3 --rank-pattern up_proj=2")
    #expect(plan["base_model"]?["base"]?.text == plan["base"]?.text)
    #expect(plan["base_model"]?["window"]?.int == 8)
    #expect(plan["base_model"]?["layers_with_window"]?.int == 5)
    let ropes = try #require(plan["base_model"]?["rope"]?.elements)
    #expect(ropes.map { $0["theta"]?.number } == [1e6, 1e4])
    #expect(ropes.map { $0["layers"]?.int } == [1, 5])
    let adapted = try #require(plan["adapted"]?.elements)
    #expect(adapted.map { $0["name"]?.text } == ["self_attn.q_proj", "mlp.up_proj"])
    #expect(adapted.map { $0["rank"]?.int } == [3, 2])
    #expect(adapted.allSatisfy { $0["layers"]?.int == 3 })
    #expect(
      adapted.reduce(0) { $0 + ($1["parameters"]?.int ?? 0) } == plan["trainable_parameters"]?.int)
  }

  @Test(
    arguments: [
      ("smollm", "byte-pairs", ["gpt2-isolated-digits"]), ("llama3", "byte-pairs", ["llama3"]),
      ("llama2_legacy", "character-pairs", []), ("unigram", "unigram", ["metaspace, prefix always"]),
    ])
  func aTokenizerIsDescribed(name: String, kind: String, split: [String]) throws {
    let found = try line(
      "cl-score --describe --tokenizer \(PackageLayout.fixture("tokenizers/\(name)"))")
    let tokenizer = try #require(found["tokenizer"])
    #expect(found["base_model"] == nil && tokenizer["kind"]?.text == kind)
    #expect(tokenizer["split"]?.elements?.compactMap(\.text) == split)
  }
}
