// SPDX-License-Identifier: Apache-2.0
import Adapters
import Streams
import TestSupport
import Testing

@Suite struct AdapterConfigTests {
  private func parse(_ json: String) throws -> AdapterConfig {
    try Array(json.utf8).withUnsafeBytes { try AdapterConfig(parsing: $0) }
  }

  /// `SampleAdapter.config` with some members more.
  private func parse(adding members: String) throws -> AdapterConfig {
    try parse(String(SampleAdapter.config.dropLast()) + "," + members + "}")
  }

  @Test func readsTheHonouredSettings() throws {
    let config = try parse(
      """
      {"peft_type":"LORA","r":4,"lora_alpha":8.5,"use_rslora":true,"lora_dropout":0.1,
       "target_modules":["v_proj","q_proj"],"layers_to_transform":[3,1],
       "rank_pattern":{"^model.layers.1.self_attn.q_proj":2,"layers\\\\.3\\\\.self_attn.v_proj$":8},
       "alpha_pattern":{"q_proj":16},"base_model_name_or_path":"x/y","task_type":"CAUSAL_LM"}
      """)
    #expect(config.rank == 4)
    #expect(config.alpha == 8.5)
    #expect(config.isRankStabilized)
    #expect(config.targets == .modules(["q_proj", "v_proj"]))
    #expect(config.layers == [1, 3])
    let matcher = try ModuleMatcher(config)
    #expect(matcher.rank(of: "model.layers.1.self_attn.q_proj") == 2)
    #expect(matcher.rank(of: "x.model.layers.1.self_attn.q_proj") == 4)
    #expect(matcher.rank(of: "model.layers.3.self_attn.v_proj") == 8)
    #expect(matcher.rank(of: "model.layers.13.self_attn.v_proj") == 4)
    #expect(matcher.alpha(of: "model.layers.0.self_attn.q_proj") == 16)
    #expect(matcher.alpha(of: "model.layers.0.self_attn.xq_proj") == 8.5)
    #expect(config.scale(rank: 4, alpha: 8) == 4)
    #expect(matcher.isTarget("a.layers.1.q_proj") && !matcher.isTarget("a.layers.1.xq_proj"))
  }

  @Test(arguments: [
    "lora_bias", "fan_in_fan_out", "use_qalora", "use_bdlora", "some_new_thing",
  ])
  func switchedOnSettingIsRefusedByName(key: String) throws {
    #expect(throws: AdapterError.Problem.unsupportedSetting(key: key, value: "true")) {
      try parse(adding: "\"\(key)\":true")
    }
    _ = try parse(adding: "\"\(key)\":false")
    _ = try parse(adding: "\"\(key)\":null")
  }

  @Test(arguments: [
    (#""modules_to_save":["lm_head"]"#, "modules_to_save"),
    (#""layer_replication":[[0,4],[2,5]]"#, "layer_replication"),
    (#""init_lora_weights":"pissa_niter_16""#, "init_lora_weights"),
    (#""init_lora_weights":"olora""#, "init_lora_weights"),
    (#""loftq_config":{"loftq_bits":4}"#, "loftq_config"),
    (#""trainable_token_indices":[1]"#, "trainable_token_indices"),
  ])
  func unsupportedSettingIsRefusedByName(member: String, key: String) {
    do {
      _ = try parse(adding: member)
      Issue.record("accepted")
    } catch AdapterError.Problem.unsupportedSetting(let found, _) {
      #expect(found == key)
    } catch {
      Issue.record("\(error)")
    }
  }

  @Test(arguments: [
    "[]", "", "{", "{}", #"{"peft_type":"VERA","r":1,"lora_alpha":1,"target_modules":"x"}"#,
    #"{"peft_type":"LORA","lora_alpha":1,"target_modules":"x"}"#,
    #"{"peft_type":"LORA","r":0,"lora_alpha":1,"target_modules":"x"}"#,
    #"{"peft_type":"LORA","r":1.5,"lora_alpha":1,"target_modules":"x"}"#,
    #"{"peft_type":"LORA","r":1,"lora_alpha":0,"target_modules":"x"}"#,
    #"{"peft_type":"LORA","r":1,"lora_alpha":"1","target_modules":"x"}"#,
    #"{"peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":[]}"#,
    #"{"peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":[1]}"#,
    #"{"peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":"x","bias":"all"}"#,
    #"{"peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":"x","rank_pattern":{"x":0}}"#,
    #"{"peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":"x","use_rslora":"yes"}"#,
  ])
  func invalidConfigurationIsRefused(json: String) {
    #expect(throws: AdapterError.Problem.self) { try parse(json) }
  }

  @Test func whatPEFTWritesIsRead() throws {
    guard let folder = PackageLayout.shared("golden/llama3-rslora-some/adapter-init") else {
      return
    }
    let config = try AdapterReader.open(path: folder).config
    #expect(config.rank == 4 && config.alpha == 8 && config.isRankStabilized)
    #expect(config.layers == [1])
    #expect(config.targets == .modules(["q_proj", "v_proj"]))
  }

  @Test func doraOfPEFTIsReadAndWritten() throws {
    let adapter = try AdapterReader.read(
      path: PackageLayout.fixture("golden/llama3-dora/adapter-init"))
    #expect(adapter.config.isDecomposed)
    #expect(adapter.modules.allSatisfy { $0.magnitude?.count == $0.outputSize })
    let folder = try TemporaryDirectory()
    try AdapterWriter.write(adapter, to: folder.file("written/"))
    let again = try AdapterReader.read(path: folder.file("written"))
    #expect(again.digest() == adapter.digest() && again.config.isDecomposed)
  }

  @Test func writtenJSONHasSortedKeysAndReadsBack() throws {
    var config = AdapterConfig(
      rank: 8, alpha: 16, isRankStabilized: true, targets: .modules(["v_proj", "q_proj"]),
      layers: [1], dropout: 0.05, baseModelName: "a\"b")
    #expect(
      config.json
        == #"{"alpha_pattern":{},"auto_mapping":null,"base_model_name_or_path":"a\"b","#
        + #""bias":"none","fan_in_fan_out":false,"inference_mode":true,"init_lora_weights":true,"#
        + #""layers_pattern":null,"layers_to_transform":[1],"lora_alpha":16,"lora_dropout":0.05,"#
        + #""modules_to_save":null,"peft_type":"LORA","r":8,"rank_pattern":{},"revision":null,"#
        + #""target_modules":["q_proj","v_proj"],"task_type":"CAUSAL_LM","use_dora":false,"#
        + #""use_rslora":true}"#)
    config.targets = .modules(["q_proj", "v_proj"])
    #expect(try parse(config.json) == config)
    #expect(try parse(config.jsonLines) == config)
  }

  @Test func modulesAreDescribedAsShortlyAsPossible() {
    func paths(_ layers: [Int], _ names: [String]) -> [String] {
      layers.flatMap { layer in names.map { "model.layers.\(layer).\($0)" } }
    }
    let both = ["self_attn.q_proj", "mlp.up_proj"]
    var found = AdapterConfig.describing(paths([0, 1, 2], both), layerCount: 3)
    #expect(found.targets == .modules(["q_proj", "up_proj"]) && found.layers == nil)
    found = AdapterConfig.describing(paths([0, 1, 2], both), layerCount: 5)
    #expect(found.layers == [0, 1, 2])
    found = AdapterConfig.describing(paths([1, 3], both), layerCount: nil)
    #expect(found.targets == .modules(["q_proj", "up_proj"]) && found.layers == [1, 3])
    let uneven = paths([0], both) + paths([1], ["mlp.up_proj"])
    found = AdapterConfig.describing(uneven, layerCount: 2)
    #expect(found.targets == .modules(uneven.sorted()) && found.layers == nil)
  }
}
