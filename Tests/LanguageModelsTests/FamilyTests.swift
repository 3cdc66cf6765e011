// SPDX-License-Identifier: Apache-2.0
import Compute
import LanguageModels
import Streams
import Testing

/// What the settings of published checkpoints come to, family by family.
@Suite struct FamilyTests {
  private func decoder(_ json: String) throws -> DecoderConfig {
    let value = try JSONValue(parsing: Array(json.utf8))
    var fields = ConfigFields(try #require(value.object), path: "config.json")
    let type = try #require(value["model_type"]?.text)
    let config = try FamilyCatalog.family(modelType: type, path: "config.json").decoder(&fields)
    try fields.refuseUnread()
    return config
  }

  /// `body` with sizes that do not matter here.
  private func decoder(_ type: String, layers: Int = 12, _ body: String) throws -> DecoderConfig {
    try decoder(
      """
      {"model_type":"\(type)","architectures":["X"],"hidden_size":64,"intermediate_size":96,
      "num_attention_heads":4,"num_key_value_heads":2,"num_hidden_layers":\(layers),
      "vocab_size":100,"use_cache":true,"torch_dtype":"bfloat16","initializer_range":0.02,
      "transformers_version":"4.40.0","attention_dropout":0.0\(body.isEmpty ? "" : ",")\(body)}
      """)
  }

  @Test func mistralHasAWindowUnlessItSaysNull() throws {
    let common = #""rope_theta":10000.0,"rms_norm_eps":1e-05,"tie_word_embeddings":false"#
    #expect(
      try decoder("mistral", layers: 2, common + #","sliding_window":4096"#).windows
        == [4096, 4096])
    #expect(try decoder("mistral", layers: 2, common).windows == [4096, 4096])
    #expect(
      try decoder("mistral", layers: 2, common + #","sliding_window":null,"head_dim":16"#).windows
        == [nil, nil])
  }

  @Test func qwen2HasWindowsOnlyWhenTheyAreOn() throws {
    let common =
      #""rope_theta":1000000.0,"max_window_layers":10,"sliding_window":8,"use_mrope":false"#
    let off = try decoder("qwen2", common + #","use_sliding_window":false"#)
    #expect(off.windows.allSatisfy { $0 == nil })
    #expect(off.modules.map(\.hasBias) == [true, true, true, false, false, false, false])
    let on = try decoder("qwen2", common + #","use_sliding_window":true"#)
    #expect(on.windows == Array(repeating: nil, count: 10) + [8, 8])
    #expect(throws: ModelError.self) { try decoder("qwen2", #""layer_types":["full_attention"]"#) }
    #expect(throws: ModelError.self) {
      try decoder("qwen2", layers: 1, #""layer_types":["sliding_attention"]"#)
    }
    #expect(throws: ModelError.self) {
      try decoder("qwen2", layers: 1, #""layer_types":["linear_attention"]"#)
    }
    #expect(throws: ModelError.self) { try decoder("qwen2", #""max_window_layers":-1"#) }
  }

  @Test func qwen3HasHeadsOfTheirOwnSize() throws {
    let config = try decoder("qwen3", #""attention_bias":false,"max_window_layers":28"#)
    #expect(config.headSize == 128 && config.hasHeadNorms)
    #expect(config.modules.allSatisfy { !$0.hasBias })
    #expect(config.inputs(of: .attentionOutput) == 512)
  }

  @Test func gemma2AlternatesWindows() throws {
    let config = try decoder(
      "gemma2", layers: 4,
      """
      "head_dim":256,"hidden_act":"gelu_pytorch_tanh","hidden_activation":"gelu_pytorch_tanh",
      "attn_logit_softcapping":50.0,"final_logit_softcapping":30.0,"query_pre_attn_scalar":256,
      "sliding_window":4096,"sliding_window_size":4096,"cache_implementation":"hybrid"
      """)
    #expect(config.windows == [4096, nil, 4096, nil])
    #expect(config.attentionSoftcap == 50 && config.logitSoftcap == 30)
    #expect(config.attentionScale == 1.0 / 16 && config.embeddingScale == 8)
    #expect(config.normOffset == 1 && config.hasSandwichNorms && config.hasTiedHead)
    #expect(config.activation == .geluTanh && !config.hasHeadNorms)
    #expect(try decoder("gemma2", "") == decoder("gemma2", #""sliding_window":4096"#))
    #expect(try decoder("gemma2", #""attn_logit_softcapping":null"#).attentionSoftcap == nil)
    #expect(throws: ModelError.self) { try decoder("gemma2", #""sliding_window_size":9"#) }
  }

  @Test func gemma3HasTwoRopes() throws {
    let config = try decoder(
      "gemma3_text",
      """
      "head_dim":256,"hidden_activation":"gelu_pytorch_tanh","query_pre_attn_scalar":256,
      "sliding_window":512,"sliding_window_pattern":6,"rope_theta":1000000,
      "rope_local_base_freq":10000,"rope_scaling":{"rope_type":"linear","factor":8.0},
      "attn_logit_softcapping":null,"final_logit_softcapping":null,"cache_implementation":"hybrid"
      """)
    #expect(config.windows.map { $0 == nil } == (1...12).map { $0 % 6 == 0 })
    #expect(config.ropes.map(\.theta) == [1_000_000, 10_000])
    #expect(config.ropes.map(\.scaling) == [.linear(factor: 8), .none])
    #expect(config.ropeOfLayer == (1...12).map { $0 % 6 == 0 ? 0 : 1 })
    #expect(config.hasHeadNorms && config.attentionSoftcap == nil)
    for field in [
      #""attn_logit_softcapping":50.0"#, #""use_bidirectional_attention":true"#,
      #""rope_parameters":{"full_attention":{"rope_theta":1e6}}"#,
      #""rope_parameters":{"rope_theta":1e6,"rope_type":"default"}"#,
    ] {
      #expect(throws: ModelError.self) { try decoder("gemma3_text", field) }
    }
  }

  @Test func llamaCppKnowsGemmasAttentionScale() {
    for (layers, expected) in [(26, 256.0), (62, 168.0)] {
      var fields = JSONObject()
      fields["num_hidden_layers"] = .integer(layers)
      fields["hidden_size"] = .integer(5376)
      fields["num_attention_heads"] = .integer(32)
      fields["head_dim"] = .integer(256)
      Gemma3.completeGGUF(&fields)
      #expect(fields["query_pre_attn_scalar"]?.number == expected)
      #expect(fields["sliding_window"] == .null)
    }
  }

  @Test func smolLM3HasLayersWithoutRope() throws {
    let common =
      #""pretraining_tp":2,"max_window_layers":28,"sliding_window":null,"mlp_bias":false"#
    let config = try decoder("smollm3", layers: 4, common + #","no_rope_layer_interval":4"#)
    #expect(config.ropeOfLayer == [0, 0, 0, nil])
    #expect(config.ropes[0].theta == 2_000_000 && config.hasTiedHead)
    let listed = try decoder("smollm3", layers: 3, common + #","no_rope_layers":[0,1,0]"#)
    #expect(listed.ropeOfLayer == [nil, 0, nil])
    #expect(throws: ModelError.self) {
      try decoder("smollm3", layers: 3, #""no_rope_layers":[0,1]"#)
    }
  }

  @Test func phi3FusesAndStretches() throws {
    let factors = "[\((0..<8).map { "\(1 + Double($0) / 4)" }.joined(separator: ","))]"
    let six = "[1.0,1.5,2.0,2.5,3.0,3.5]"
    let common = #""max_position_embeddings":131072,"original_max_position_embeddings":4096,"#
    let long = try decoder(
      "phi3", layers: 2,
      common + """
        "auto_map":{"AutoConfig":"x"},"embd_pdrop":0.0,"resid_pdrop":0.0,"sliding_window":262144,
        "attention_bias":false,
        "rope_scaling":{"type":"su","short_factor":\(factors),"long_factor":\(factors)}
        """)
    // 1 + ln 32 / ln 4096 = 1 + 5/12
    #expect(abs(Double(long.ropes[0].attentionFactor) - (17.0 / 12).squareRoot()) < 1e-7)
    #expect(long.windows == [262_144, 262_144])
    #expect(long.modules.map(\.outputs) == [64 + 2 * 32, 64, 192, 64])
    var settings = LoRASettings()
    settings.layers = [0]
    #expect(
      try settings.modules(of: long).map(\.path) == [
        "self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj",
      ].map { "model.layers.0." + $0 })

    // Phi-4-mini: three quarters of each head rotate.
    let partial = try decoder(
      "phi3",
      common + """
        "partial_rotary_factor":0.75,"full_attn_mod":1,"interpolate_factor":1,
        "lm_head_bias":false,"tie_word_embeddings":true,
        "rope_scaling":{"type":"longrope","short_factor":\(six),"long_factor":\(six)}
        """)
    #expect(partial.ropes[0].rotarySize == 12)
    for field in [
      #""rope_scaling":{"type":"longrope","short_factor":[1],"long_factor":[1]}"#,
      #""rope_scaling":{"type":"longrope"}"#, #""full_attn_mod":2"#,
      #""partial_rotary_factor":1.5"#, #""partial_rotary_factor":0.01"#,
      #""blocksparse_block_size":64"#,
    ] {
      #expect(throws: ModelError.self) { try decoder("phi3", common + field) }
    }
  }

  @Test func gemma3ThatSeesHasTheSettingsOfTheTextInside() throws {
    // Those of the 4B model, which say what differs from the defaults.
    let config = try decoder(
      """
      {"architectures":["Gemma3ForConditionalGeneration"],"boi_token_index":255999,
      "eoi_token_index":256000,"eos_token_id":[1,106],"image_token_index":262144,
      "initializer_range":0.02,"mm_tokens_per_image":256,"model_type":"gemma3",
      "text_config":{"hidden_size":2560,"intermediate_size":10240,"model_type":"gemma3_text",
      "num_hidden_layers":34,"rope_scaling":{"factor":8.0,"rope_type":"linear"},
      "sliding_window":1024},"torch_dtype":"bfloat16","transformers_version":"4.50.0.dev0",
      "vision_config":{"hidden_size":1152,"image_size":896,"num_hidden_layers":27}}
      """)
    #expect(config.headCount == 8 && config.keyValueHeadCount == 4 && config.headSize == 256)
    #expect(config.vocabularySize == 262_208 && config.maximumContext == 131_072)
    #expect(config.windows.filter { $0 == 1024 }.count == 29 && config.windows[5] == nil)
    #expect(config.ropes.map(\.scaling) == [.linear(factor: 8), .none])
    #expect(
      config.path(layer: 3, module: config.modules[0])
        == "model.language_model.layers.3.self_attn.q_proj")
    #expect(throws: ModelError.self) { try decoder(#"{"model_type":"gemma3"}"#) }
    for (file, name) in [
      ("language_model.model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.up_proj.weight"),
      ("model.language_model.norm.weight", "model.norm.weight"),
      ("language_model.lm_head.weight", "lm_head.weight"),
      ("vision_tower.vision_model.head.weight", nil), ("model.vision_tower.x", nil),
      ("multi_modal_projector.mm_soft_emb_norm.weight", nil), ("other.weight", "other.weight"),
    ] {
      #expect(Gemma3Multimodal.decoderName(of: file) == name)
    }
  }

  @Test func graniteKeepsItsResidualsDivided() throws {
    // Granite 3.3 2B.
    let config = try decoder(
      "granite",
      """
      "attention_multiplier":0.015625,"embedding_multiplier":12.0,"residual_multiplier":0.22,
      "logits_scaling":8.0,"rms_norm_eps":1e-05,"tie_word_embeddings":true,"mlp_bias":false,
      "attention_bias":false,"rope_scaling":null,"rope_theta":10000000.0
      """)
    #expect(config.attentionScale == 0.015625 && config.logitScale == 0.125)
    #expect(abs(config.embeddingScale - 12 / 0.22) < 1e-4)
    #expect(abs(config.normEpsilon - 1e-5 / 0.0484) < 1e-9)
    let plain = try decoder("granite", "")
    #expect(plain.attentionScale == 1 && plain.logitScale == 1 && plain.embeddingScale == 1)
  }

  private let sizes = """
    {"hidden_size":64,"intermediate_size":96,"num_hidden_layers":6}
    """

  @Test func everyFamilyRefusesWhatItDoesNotKnow() {
    for family in FamilyCatalog.all {
      #expect {
        _ =
          family == Gemma3Multimodal.self
          ? try decoder(
            #"{"model_type":"gemma3","text_config":\#(sizes),"depth_multiplier":0.22}"#)
          : try decoder(family.modelType, #""depth_multiplier":0.22"#)
      } throws: { error in
        guard case ModelError.unsupportedField(_, "depth_multiplier", _) = error else {
          return false
        }
        return true
      }
    }
  }
}
