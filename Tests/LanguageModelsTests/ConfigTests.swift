// SPDX-License-Identifier: Apache-2.0
import LanguageModels
import Streams
import Testing
import TestSupport

@Suite struct ConfigTests {
  static let version4 = """
    {"model_type":"llama","hidden_size":64,"intermediate_size":112,"num_hidden_layers":2,
    "num_attention_heads":4,"num_key_value_heads":2,"vocab_size":320,"rms_norm_eps":1e-5,
    "rope_theta":500000.0,"tie_word_embeddings":true,"hidden_act":"silu","torch_dtype":"float32",
    "max_position_embeddings":512,"rope_scaling":{"type":"llama3","factor":8.0,
    "low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":64}}
    """

  private func decoder(_ json: String) throws -> DecoderConfig {
    let value = try JSONValue(parsing: Array(json.utf8))
    var fields = ConfigFields(try #require(value.object), path: "config.json")
    let config = try Llama.decoder(&fields)
    try fields.refuseUnread()
    return config
  }

  private func changed(_ key: String, _ json: String?) throws -> DecoderConfig {
    var object = try #require(try JSONValue(parsing: Array(Self.version4.utf8)).object)
    object[key] = try json.map { try JSONValue(parsing: Array($0.utf8)) }
    var writer = JSONWriter()
    writer.value(.object(object))
    return try decoder(String(decoding: writer.bytes, as: UTF8.self))
  }

  @Test func transformers4And5SayTheSame() throws {
    let golden = PackageLayout.fixture("golden/llama3/model")
    #expect(try decoder(Self.version4) == BaseModel(path: golden).config)
  }

  @Test func defaultsAreThoseOfTransformers() throws {
    #expect(try changed("num_key_value_heads", nil).keyValueHeadCount == 4)
    #expect(try changed("rms_norm_eps", "null").normEpsilon == 1e-6)
    #expect(try changed("tie_word_embeddings", nil).hasTiedHead == false)
    #expect(try changed("head_dim", "32").headSize == 32)
    #expect(try changed("rope_scaling", "null").ropes[0].scaling == .none)
  }

  @Test(
    arguments: [
      ("logit_scale", "2"), ("final_logit_softcapping", "30.0"), ("rope_interleaved", "true"),
      ("sliding_window", "4096"), ("quantization_config", "{\"bits\":4}"),
      ("hidden_act", "\"relu\""),
      ("partial_rotary_factor", "0.5"), ("num_local_experts", "8"),
    ])
  func aFieldThatChangesTheMathematicsIsRefusedByName(field: String, value: String) {
    #expect {
      _ = try changed(field, value)
    } throws: { error in
      guard case ModelError.unsupportedField(_, field, _) = error else { return false }
      return true
    }
  }

  @Test(
    arguments: [
      ("architectures", "[\"LlamaForCausalLM\"]"), ("bos_token_id", "1"),
      ("eos_token_id", "[1,2]"), ("is_llama_config", "true"), ("rope_interleaved", "false"),
      ("sliding_window", "null"), ("transformers_version", "\"4.42.3\""),
      ("_name_or_path", "\"x\""), ("pretraining_tp", "1"),
    ])
  func otherFieldsChangeNothing(field: String, value: String) throws {
    #expect(try changed(field, value) == decoder(Self.version4))
  }

  @Test(
    arguments: [
      ("hidden_size", "0"), ("hidden_size", "\"64\""), ("hidden_size", "1e30"),
      ("num_attention_heads", "5"), ("num_key_value_heads", "3"), ("head_dim", "7"),
      ("vocab_size", nil), ("rope_theta", "-1"), ("rms_norm_eps", "0"),
      ("tie_word_embeddings", "1"), ("num_hidden_layers", "100000"),
    ])
  func aBadValueIsRefused(field: String, value: String?) {
    #expect(throws: ModelError.self) { _ = try changed(field, value) }
  }

  @Test func anUnknownRopeIsRefused() {
    #expect(throws: ModelError.self) {
      _ = try changed("rope_scaling", "{\"rope_type\":\"proportional\",\"factor\":2.0}")
    }
    #expect(throws: ModelError.self) {
      _ = try changed(
        "rope_scaling", "{\"rope_type\":\"linear\",\"factor\":2.0,\"mscale\":1.0}")
    }
  }

  @Test func anUnknownFamilyIsRefused() throws {
    let folder = try TemporaryDirectory()
    try folder.write("config.json", "{\"model_type\":\"mamba\"}")
    #expect {
      _ = try BaseModel(path: folder.path)
    } throws: { error in
      guard case ModelError.unknownFamily(_, "mamba", _) = error else { return false }
      return true
    }
  }

  @Test func whatIsNoModelIsRefused() throws {
    let folder = try TemporaryDirectory()
    try folder.write("file", "text")
    for path in [folder.path, folder.file("file"), folder.file("missing")] {
      #expect {
        _ = try BaseModel(path: path)
      } throws: { error in
        guard case ModelError.notAModel = error else { return false }
        return true
      }
    }
    try folder.write("config.json", "[1]")
    #expect(throws: ModelError.self) { _ = try BaseModel(path: folder.path) }
  }

  @Test func llama3ScalingFollowsItsDefinition() {
    // 128 positions per turn against an original context of 64: long (slowed by 8), kept, and
    // between: s = (64/32 - 1)/(4 - 1) = 1/3 of the way.
    func frequency(_ wavelength: Double) -> Double { 2 * Double.pi / wavelength }
    for (wavelength, expected) in [
      (128.0, frequency(128) / 8), (8.0, frequency(8)),
      (32.0, frequency(32) * (2.0 / 3 / 8 + 1.0 / 3)),
    ] {
      // theta chosen so that dimension 2 of 4 has this wavelength.
      let theta = (wavelength / (2 * Double.pi)) * (wavelength / (2 * Double.pi))
      let rope = RopeConfig(
        theta: theta, rotarySize: 4,
        scaling: .llama3(factor: 8, lowFactor: 1, highFactor: 4, originalContext: 64))
      #expect(abs(Double(rope.inverseFrequencies[1]) - expected) < 1e-6 * expected)
    }
  }
}
