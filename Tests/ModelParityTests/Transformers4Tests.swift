// SPDX-License-Identifier: Apache-2.0
import Foundation
import LanguageModels
import Safetensors
import Streams
import Testing
import TestSupport

/// The goldens with their config.json as transformers 4 would have written it.
@Suite(.serialized) struct Transformers4Tests {
  /// Moves what transformers 5 moved back to where it was, and leaves out what 4 did not write.
  private func rewritten(_ object: JSONObject) -> JSONObject {
    var old = object
    old["torch_dtype"] = old["dtype"]
    for key in ["dtype", "layer_types", "no_rope_layers", "rope_parameters"] { old[key] = nil }
    if let period = old["_sliding_window_pattern"] {
      old["_sliding_window_pattern"] = nil
      old["sliding_window_pattern"] = period
    }
    var parameters = object["rope_parameters"]?.object ?? JSONObject()
    if let local = parameters["sliding_attention"] {
      old["rope_local_base_freq"] = local["rope_theta"]
      parameters = parameters["full_attention"]?.object ?? JSONObject()
    }
    old["rope_theta"] = parameters["rope_theta"]
    if let partial = parameters["partial_rotary_factor"] { old["partial_rotary_factor"] = partial }
    let type = parameters["rope_type"]?.text ?? "default"
    for key in ["rope_theta", "rope_type", "partial_rotary_factor"] { parameters[key] = nil }
    if type == "longrope" {
      // The first files called it "su" and said the original context only at the top.
      parameters["original_max_position_embeddings"] = nil
      parameters["type"] = .string("su")
    } else {
      parameters["rope_type"] = .string(type)
    }
    old["rope_scaling"] = type == "default" ? .null : .object(parameters)
    old["transformers_version"] = .string("4.43.0")
    return old
  }

  @Test(arguments: Golden.names)
  func anOldConfigurationIsTheSameModel(name: String) throws {
    let golden = try Golden(name)
    let bytes = try InputSource(path: "\(golden.modelPath)/config.json").readAll()
    let new = try #require(try JSONValue(parsing: bytes).object)
    var old = new
    if let text = new["text_config"]?.object {
      #expect(text["rope_parameters"] != nil)
      old["text_config"] = .object(rewritten(text))
    } else {
      #expect(new["rope_parameters"] != nil)
      old = rewritten(new)
    }
    var writer = JSONWriter()
    writer.value(.object(old))
    let folder = try TemporaryDirectory()
    try folder.write("config.json", writer.bytes)
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("model.safetensors"),
      withDestinationPath: "\(golden.modelPath)/model.safetensors")

    let base = try BaseModel(path: folder.path)
    #expect(try base.config == BaseModel(path: golden.modelPath).config)
    let model = try LanguageModel(base: base, device: try makeDevice("cpu"))
    for (index, sequence) in golden.sequences.enumerated() {
      let logits = try model.logits(PackedRow([sequence]))
      let expected = try golden.expected.tensor("base_logits.\(index)").floats()
      #expect(Golden.largestDifference(logits, expected) <= Golden.logitTolerance)
    }
  }
}
