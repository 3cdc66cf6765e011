// SPDX-License-Identifier: Apache-2.0
package import Streams

/// The settings of a model, read field by field, so that none that matters is overlooked.
///
/// A family reads the fields that it honours; ``refuseUnread()`` then fails on any other field,
/// unless it is known to leave the decoder's result alone or says nothing (null, false, empty).
package struct ConfigFields {
  package let path: String
  private let object: JSONObject
  private var read: Set<String> = []

  package init(_ object: JSONObject, path: String) {
    self.object = object
    self.path = path
  }

  /// The value of `name`, counted as read; nil if absent or null.
  package mutating func value(_ name: String) -> JSONValue? {
    read.insert(name)
    guard let value = object[name], !value.isNull else { return nil }
    return value
  }

  /// A whole number from 1 to 2^31, or nil if absent.
  package mutating func count(_ name: String) throws(ModelError) -> Int? {
    guard let value = value(name) else { return nil }
    guard let count = value.int, count >= 1, count <= Int(Int32.max) else {
      throw bad(name, "a whole number above 0", value)
    }
    return count
  }

  /// A whole number above 0 that must be there.
  package mutating func requiredCount(_ name: String) throws(ModelError) -> Int {
    guard let count = try count(name) else { throw missing(name, "a whole number above 0") }
    return count
  }

  /// A whole number above 0 that must be there where the family has none of its own.
  package mutating func count(_ name: String, orElse known: Int?) throws(ModelError) -> Int {
    guard let count = try count(name) ?? known else {
      throw missing(name, "a whole number above 0")
    }
    return count
  }

  /// A finite number above 0, or nil if absent.
  package mutating func positive(_ name: String) throws(ModelError) -> Double? {
    guard let value = value(name) else { return nil }
    guard let number = value.number, number > 0, number.isFinite else {
      throw bad(name, "a number above 0", value)
    }
    return number
  }

  /// The value of ``count(_:)``, nil if null; `absent` if the file does not speak of it at all.
  package mutating func count(_ name: String, absent: Int) throws(ModelError) -> Int? {
    object[name] == nil ? absent : try count(name)
  }

  /// The value of ``positive(_:)``, nil if null; `absent` if the file does not speak of it at all.
  package mutating func positive(_ name: String, absent: Double) throws(ModelError) -> Double? {
    object[name] == nil ? absent : try positive(name)
  }

  package mutating func flag(_ name: String) throws(ModelError) -> Bool? {
    guard let value = value(name) else { return nil }
    guard let flag = value.bool else { throw bad(name, "true or false", value) }
    return flag
  }

  package mutating func text(_ name: String) throws(ModelError) -> String? {
    guard let value = value(name) else { return nil }
    guard let text = value.text else { throw bad(name, "a string", value) }
    return text
  }

  /// The members of a nested object as fields of their own, or nil if absent.
  package mutating func nested(_ name: String) throws(ModelError) -> ConfigFields? {
    guard let value = value(name) else { return nil }
    guard let object = value.object else { throw bad(name, "an object", value) }
    return ConfigFields(object, path: path)
  }

  package func has(_ name: String) -> Bool { object[name].map { !$0.isNull } ?? false }

  package func bad(_ name: String, _ expected: String, _ found: JSONValue) -> ModelError {
    .badField(path: path, field: name, expected: expected, found: Self.text(of: found))
  }

  package func missing(_ name: String, _ expected: String) -> ModelError {
    .badField(path: path, field: name, expected: expected, found: "nothing")
  }

  package func unsupported(_ name: String, _ value: JSONValue) -> ModelError {
    .unsupportedField(path: path, field: name, value: Self.text(of: value))
  }

  /// Fails on the first field that was not read and may change the result.
  ///
  /// - Throws: ``ModelError/unsupportedField(path:field:value:)``.
  package func refuseUnread() throws(ModelError) {
    for member in object.members where !read.contains(member.key) {
      if Self.isHarmless(member.key) { continue }
      switch member.value {
      case .null, .boolean(false): continue
      case .array(let elements) where elements.isEmpty: continue
      case .object(let object) where object.members.isEmpty: continue
      case let value where value.number == 1 && Self.neutralAtOne.contains(member.key): continue
      default: throw unsupported(member.key, member.value)
      }
    }
  }

  /// Fields that concern training from scratch, generation, storage or bookkeeping.
  private static let harmless: Set<String> = [
    "architectures", "model_type", "transformers_version", "torch_dtype", "dtype", "use_cache",
    "initializer_range", "bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id",
    "sep_token_id", "cls_token_id", "decoder_start_token_id", "attention_dropout",
    "hidden_dropout", "resid_pdrop", "embd_pdrop", "classifier_dropout", "pretraining_tp",
    "auto_map", "id2label", "label2id", "is_llama_config", "output_attentions",
    "output_hidden_states", "return_dict", "tokenizer_class", "task_specific_params",
    "problem_type", "finetuning_task", "prefix", "num_labels", "cache_implementation",
    "is_decoder", "chunk_size_feed_forward", "max_length", "min_length", "temperature", "top_k",
    "top_p", "typical_p", "repetition_penalty", "length_penalty", "num_beams",
    "num_beam_groups", "num_return_sequences", "diversity_penalty", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "bad_words_ids", "max_window_layers", "max_sequence_length",
    "early_stopping", "do_sample", "sep_token", "suppress_tokens", "begin_suppress_tokens",
    "forced_bos_token_id", "forced_eos_token_id", "exponential_decay_length_penalty",
    "ignore_keys_at_rope_validation", "unsloth_fixed", "transformers.js_config",
  ]

  /// Factors and periods of other members of a family, without effect at 1.
  private static let neutralAtOne: Set<String> = ["full_attn_mod", "interpolate_factor"]

  private static func isHarmless(_ name: String) -> Bool {
    harmless.contains(name) || name.hasPrefix("_") || name.hasSuffix("_version")
  }

  /// A value in at most 40 characters of JSON.
  private static func text(of value: JSONValue) -> String {
    var writer = JSONWriter()
    writer.value(value)
    let text = String(decoding: writer.bytes, as: UTF8.self)
    return text.count <= 40 ? text : "\(text.prefix(37))..."
  }
}
