// SPDX-License-Identifier: Apache-2.0
import Compute
import GGUF
import Streams

/// A GGUF file's metadata and tensors in the words of Hugging Face, so that a family reads one kind
/// of settings only.
struct GGUFSettings {
  let architecture: String
  /// What config.json would say.
  let fields: JSONObject
  private let file: GGUFFile

  /// GGUF key, without the architecture, and the field of config.json that means the same.
  private static let names: [(key: String, field: String)] = [
    ("block_count", "num_hidden_layers"),
    ("context_length", "max_position_embeddings"),
    ("embedding_length", "hidden_size"),
    ("feed_forward_length", "intermediate_size"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    ("attention.key_length", "head_dim"),
    ("attention.sliding_window", "sliding_window"),
    ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"),
    ("rope.freq_base", "rope_theta"),
    ("rope.freq_base_swa", "rope_local_base_freq"),
  ]

  init(_ file: GGUFFile) throws(ModelError) {
    self.file = file
    do { architecture = try file.text("general.architecture") } catch { throw .gguf(error) }
    let prefix = architecture + "."
    var fields = JSONObject()
    var known: Set<String> = ["vocab_size", "rope.dimension_count", "attention.value_length"]
    for (key, field) in Self.names {
      known.insert(key)
      guard let value = file[prefix + key] else { continue }
      fields[field] = try Self.number(value, key: prefix + key, file: file)
    }
    // Where Hugging Face says null, llama.cpp says 0; where a family there has a head size of its own,
    // llama.cpp divides.
    if fields["sliding_window"]?.int == 0 { fields["sliding_window"] = .null }
    if fields["head_dim"] == nil, let hidden = fields["hidden_size"]?.int,
      let heads = fields["num_attention_heads"]?.int, heads > 0, hidden % heads == 0
    {
      fields["head_dim"] = .integer(hidden / heads)
    }
    try Self.addRope(&fields, &known, prefix: prefix, file: file)
    guard let embedding = file.find("token_embd.weight") else {
      throw .missingTensor(path: file.path, name: "token_embd.weight")
    }
    fields["vocab_size"] = .integer(embedding.shape.first ?? 0)
    fields["tie_word_embeddings"] = .boolean(file.find("output.weight") == nil)
    if file.find("blk.0.attn_output.bias") != nil { fields["attention_bias"] = .boolean(true) }
    if file.find("blk.0.ffn_down.bias") != nil { fields["mlp_bias"] = .boolean(true) }
    // Any other setting of the architecture may change the result; the family has to know it.
    for key in file.keys where key.hasPrefix(prefix) {
      let name = String(key.dropFirst(prefix.count))
      if known.contains(name) { continue }
      if let number = file[key]?.number, number != 0 {
        fields[key] = .double(number)
      } else if let text = file[key]?.text {
        fields[key] = .string(text)
      } else if file[key]?.bool == true || file[key]?.array != nil {
        fields[key] = .boolean(true)
      }
    }
    self.fields = fields
  }

  /// All tensors under the names of Hugging Face.
  ///
  /// - Throws: ``ModelError/unexpectedTensor(path:name:)`` for a name that no architecture uses.
  func tensors(headSize: Int, interleavesHeads: Bool) throws(ModelError) -> [StoredTensor] {
    let isSandwich = file.find("blk.0.post_ffw_norm.weight") != nil
    let isFused = file.find("blk.0.attn_qkv.weight") != nil
    var result: [StoredTensor] = []
    for tensor in file.tensors where !Self.ropeTensors.contains(tensor.name) {
      guard let format = WeightFormat(rawValue: tensor.type.name) else {
        throw .unsupportedType(path: file.path, tensor: tensor.name, type: tensor.type.name)
      }
      guard let name = Self.huggingFaceName(
        tensor.name, isSandwich: isSandwich, isFused: isFused)
      else {
        throw .unexpectedTensor(path: file.path, name: tensor.name)
      }
      let isRotated = name.contains(".q_proj.") || name.contains(".k_proj.")
      let rows = tensor.shape.first ?? 0
      let isInterleaved = interleavesHeads && isRotated && rows % headSize == 0
      result.append(
        StoredTensor(
          name: name, shape: tensor.shape, format: format,
          order: isInterleaved ? .interleavedHeads(headSize: headSize) : .natural,
          bytes: file.bytes(of: tensor)))
    }
    return result
  }

  /// `blk.3.attn_q.weight` is `model.layers.3.self_attn.q_proj.weight`.
  static func huggingFaceName(_ name: String, isSandwich: Bool, isFused: Bool) -> String? {
    switch name {
    case "token_embd.weight": return "model.embed_tokens.weight"
    case "output_norm.weight": return "model.norm.weight"
    case "output.weight": return "lm_head.weight"
    default: break
    }
    let parts = name.split(separator: ".")
    guard parts.count == 4, parts[0] == "blk", let layer = Int(parts[1]),
      parts[3] == "weight" || parts[3] == "bias"
    else { return nil }
    let module: String
    switch parts[2] {
    case "attn_norm": module = "input_layernorm"
    case "attn_q": module = "self_attn.q_proj"
    case "attn_k": module = "self_attn.k_proj"
    case "attn_v": module = "self_attn.v_proj"
    case "attn_qkv": module = "self_attn.qkv_proj"
    case "attn_output": module = "self_attn.o_proj"
    case "attn_q_norm": module = "self_attn.q_norm"
    case "attn_k_norm": module = "self_attn.k_norm"
    case "ffn_norm": module = isSandwich ? "pre_feedforward_layernorm" : "post_attention_layernorm"
    case "post_attention_norm": module = "post_attention_layernorm"
    case "post_ffw_norm": module = "post_feedforward_layernorm"
    case "ffn_gate": module = "mlp.gate_proj"
    case "ffn_up": module = isFused ? "mlp.gate_up_proj" : "mlp.up_proj"
    case "ffn_down": module = "mlp.down_proj"
    default: return nil
    }
    return "model.layers.\(layer).\(module).\(parts[3])"
  }

  /// Tensors that are settings of the rope.
  private static let ropeTensors: Set<String> = [
    "rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight",
  ]

  /// Rope settings: linear scaling by metadata, llama3 and longrope by the divisors that the
  /// converter stores as tensors, and rotary dimensions fewer than the head's.
  private static func addRope(
    _ fields: inout JSONObject, _ known: inout Set<String>, prefix: String, file: GGUFFile
  ) throws(ModelError) {
    for key in ["type", "factor", "finetuned", "original_context_length", "attn_factor"] {
      known.insert("rope.scaling." + key)
    }
    let scalingPrefix = prefix + "rope.scaling."
    var scaling = JSONObject()
    if let divisors = try numbers("rope_freqs.weight", file: file) {
      scaling["rope_type"] = .string("divisors")
      scaling["divisors"] = divisors
    } else if let short = try numbers("rope_factors_short.weight", file: file),
      let long = try numbers("rope_factors_long.weight", file: file)
    {
      scaling["rope_type"] = .string("longrope")
      scaling["short_factor"] = short
      scaling["long_factor"] = long
      if let context = file[scalingPrefix + "original_context_length"]?.int {
        scaling["original_max_position_embeddings"] = .integer(context)
      }
      if let factor = file[scalingPrefix + "attn_factor"]?.number {
        scaling["attention_factor"] = .double(factor)
      }
    } else if let type = file[scalingPrefix + "type"]?.text, type != "none" {
      scaling["rope_type"] = .string(type)
      if let factor = file[scalingPrefix + "factor"]?.number {
        scaling["factor"] = .double(factor)
      }
    }
    if !scaling.members.isEmpty { fields["rope_scaling"] = .object(scaling) }
    if let rotary = file[prefix + "rope.dimension_count"]?.int,
      let hidden = fields["hidden_size"]?.int, let heads = fields["num_attention_heads"]?.int,
      heads > 0
    {
      let headSize = fields["head_dim"]?.int ?? hidden / heads
      if rotary != headSize, headSize > 0 {
        fields["partial_rotary_factor"] = .double(Double(rotary) / Double(headSize))
      }
    }
  }

  /// The values of a float32 tensor, or nil if there is no such tensor.
  private static func numbers(_ name: String, file: GGUFFile) throws(ModelError) -> JSONValue? {
    guard let tensor = file.find(name) else { return nil }
    guard tensor.type == .f32 else {
      throw .unsupportedType(path: file.path, tensor: name, type: tensor.type.name)
    }
    let bytes = file.bytes(of: tensor)
    return .array(
      (0..<tensor.elementCount).map {
        .double(Double(bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)))
      })
  }

  private static func number(
    _ value: GGUFValue, key: String, file: GGUFFile
  ) throws(ModelError) -> JSONValue {
    if let integer = value.int { return .integer(integer) }
    if let number = value.number { return .double(number) }
    throw .badField(
      path: file.path, field: key, expected: "a number", found: "\(value.type)")
  }
}
