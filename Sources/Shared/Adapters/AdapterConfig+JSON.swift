// SPDX-License-Identifier: Apache-2.0
import Streams

extension AdapterConfig {
  /// Settings that say nothing about the computation of a saved adapter, or that are read apart.
  private static let harmless: Set<String> = [
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "ensure_weight_tying",
    "exclude_modules", "inference_mode", "init_lora_weights", "layers_pattern",
    "layers_to_transform", "lora_alpha", "lora_dropout", "megatron_core", "peft_type",
    "peft_version", "qalora_group_size", "r", "rank_pattern", "revision", "runtime_config",
    "target_modules", "task_type", "use_dora", "use_rslora",
  ]
  /// Initialisations that leave the base model's weights as they are. Others (PiSSA, OLoRA, …)
  /// train against changed weights, which the file does not hold.
  private static let harmlessInitialisations = ["gaussian", "eva", "orthogonal"]

  /// Reads the JSON of an `adapter_config.json`.
  ///
  /// Honoured: `r`, `lora_alpha`, `use_rslora`, `use_dora`, `target_modules`, `exclude_modules`,
  /// `layers_to_transform`, `layers_pattern`, `rank_pattern`, `alpha_pattern`, `lora_dropout`, `base_model_name_or_path`, `task_type`.
  /// Any other setting that is switched on is refused by name.
  package init(parsing json: UnsafeRawBufferPointer) throws(AdapterError.Problem) {
    let value: JSONValue
    do { value = try JSONValue(parsing: json) } catch {
      throw .malformedConfiguration(error.message)
    }
    guard let settings = value.object else {
      throw .malformedConfiguration("expected an object, found \(value.kind.rawValue)")
    }
    try Self.refuseUnsupported(settings)
    guard let rank = settings["r"]?.int, (1...65536).contains(rank) else {
      throw .invalidSetting(key: "r", expected: "an integer in 1...65536")
    }
    guard let alpha = settings["lora_alpha"]?.number, alpha.isFinite, alpha > 0 else {
      throw .invalidSetting(key: "lora_alpha", expected: "a positive number")
    }
    self.init(
      rank: rank, alpha: alpha, isRankStabilized: settings["use_rslora"]?.bool ?? false,
      targets: try Self.targets(settings, "target_modules"), layers: try Self.layers(settings),
      dropout: settings["lora_dropout"]?.number ?? 0,
      baseModelName: settings["base_model_name_or_path"]?.text,
      taskType: settings["task_type"]?.text)
    isDecomposed = settings["use_dora"]?.bool ?? false
    if let value = settings["exclude_modules"], Self.isOn(value) {
      excluded = try Self.targets(settings, "exclude_modules")
    }
    layersPatterns = try Self.layersPatterns(settings)
    rankOverrides = try Self.overrides(settings, "rank_pattern", "an integer in 1...65536") {
      $0.int.flatMap { (1...65536).contains($0) ? $0 : nil }
    }
    alphaOverrides = try Self.overrides(settings, "alpha_pattern", "a positive number") {
      $0.number.flatMap { $0.isFinite && $0 > 0 ? $0 : nil }
    }
  }

  private static func refuseUnsupported(
    _ settings: JSONObject
  ) throws(AdapterError.Problem) {
    guard settings["peft_type"]?.text == "LORA" else {
      throw .unsupportedSetting(
        key: "peft_type", value: settings["peft_type"].map(text) ?? "nothing")
    }
    if let bias = settings["bias"], !bias.isNull, bias.text != "none" {
      throw .unsupportedSetting(key: "bias", value: text(bias))
    }
    for key in ["use_rslora", "use_dora"] {
      if let use = settings[key], !use.isNull, use.bool == nil {
        throw .invalidSetting(key: key, expected: "true or false")
      }
    }
    if let initialisation = settings["init_lora_weights"], isOn(initialisation) {
      let isKnown =
        initialisation.bool != nil
        || initialisation.text.map(harmlessInitialisations.contains) == true
      if !isKnown {
        throw .unsupportedSetting(key: "init_lora_weights", value: text(initialisation))
      }
    }
    for (key, value) in settings.members where !harmless.contains(key) && isOn(value) {
      throw .unsupportedSetting(key: key, value: text(value))
    }
  }

  private static func isOn(_ value: JSONValue) -> Bool {
    switch value {
    case .null, .boolean(false): false
    case .array(let elements): !elements.isEmpty
    case .object(let object): !object.members.isEmpty
    default: true
    }
  }

  private static func text(_ value: JSONValue) -> String {
    var writer = JSONWriter()
    writer.value(value)
    let text = String(decoding: writer.bytes, as: UTF8.self)
    return text.count <= 60 ? text : text.prefix(57) + "..."
  }

  private static func layersPatterns(
    _ settings: JSONObject
  ) throws(AdapterError.Problem) -> [String] {
    guard let value = settings["layers_pattern"], isOn(value) else { return [] }
    if let pattern = value.text { return pattern.isEmpty ? [] : [pattern] }
    let patterns = (value.elements ?? []).compactMap(\.text)
    guard patterns.count == value.elements?.count else {
      throw .invalidSetting(key: "layers_pattern", expected: "a string or a list of strings")
    }
    return patterns
  }

  private static func targets(
    _ settings: JSONObject, _ key: String
  ) throws(AdapterError.Problem) -> Targets {
    if let pattern = settings[key]?.text { return .pattern(pattern) }
    let names = settings[key]?.elements?.map(\.text) ?? []
    let found = names.compactMap(\.self)
    guard !found.isEmpty, found.count == names.count else {
      throw .invalidSetting(key: key, expected: "a string or a list of strings")
    }
    return .modules(found.sorted())
  }

  private static func layers(_ settings: JSONObject) throws(AdapterError.Problem) -> [Int]? {
    guard let value = settings["layers_to_transform"], !value.isNull else { return nil }
    if let layer = value.int { return [layer] }
    let layers = value.elements?.compactMap(\.int) ?? []
    guard let count = value.elements?.count, layers.count == count else {
      throw .invalidSetting(key: "layers_to_transform", expected: "an integer or a list of them")
    }
    return layers.sorted()
  }

  private static func overrides<Value>(
    _ settings: JSONObject, _ key: String, _ expected: String, read: (JSONValue) -> Value?
  ) throws(AdapterError.Problem) -> [Override<Value>] {
    guard let value = settings[key], !value.isNull else { return [] }
    guard let object = value.object else {
      throw .invalidSetting(key: key, expected: "an object")
    }
    var overrides: [Override<Value>] = []
    for (module, value) in object.members {
      guard let number = read(value) else {
        throw .invalidSetting(key: "\(key).\(module)", expected: expected)
      }
      overrides.append(Override(key: module, value: number))
    }
    return overrides
  }

  /// The members of `adapter_config.json` in the order of their names: the settings that PEFT,
  /// vLLM and llama.cpp have known for long.
  var members: [(key: String, value: JSONValue)] {
    var ranks = JSONObject()
    for item in rankOverrides { ranks[item.key] = .integer(item.value) }
    var alphas = JSONObject()
    for item in alphaOverrides { alphas[item.key] = AdapterConfig.number(item.value) }
    let targetModules: JSONValue =
      switch targets {
      case .modules(let names): .array(names.sorted().map { .string($0) })
      case .pattern(let text): .string(text)
      }
    return [
      ("alpha_pattern", .object(alphas)),
      ("auto_mapping", .null),
      ("base_model_name_or_path", baseModelName.map { .string($0) } ?? .null),
      ("bias", .string("none")),
      ("fan_in_fan_out", .boolean(false)),
      ("inference_mode", .boolean(true)),
      ("init_lora_weights", .boolean(true)),
      ("layers_pattern", .null),
      ("layers_to_transform", layers.map { .array($0.map { .integer($0) }) } ?? .null),
      ("lora_alpha", AdapterConfig.number(alpha)),
      ("lora_dropout", .double(dropout)),
      ("modules_to_save", .null),
      ("peft_type", .string("LORA")),
      ("r", .integer(rank)),
      ("rank_pattern", .object(ranks)),
      ("revision", .null),
      ("target_modules", targetModules),
      ("task_type", taskType.map { .string($0) } ?? .null),
      ("use_dora", .boolean(isDecomposed)),
      ("use_rslora", .boolean(isRankStabilized)),
    ]
  }

  /// One line of JSON, for the metadata of a safetensors file.
  package var json: String {
    var writer = JSONWriter()
    writer.object { for member in members { $0.field(member.key, member.value) } }
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  /// The content of `adapter_config.json`: one setting a line.
  package var jsonLines: String {
    let lines = members.map { member in
      var writer = JSONWriter()
      writer.value(member.value)
      return "  \"\(member.key)\": \(String(decoding: writer.bytes, as: UTF8.self))"
    }
    return "{\n" + lines.joined(separator: ",\n") + "\n}\n"
  }

  /// PEFT expects `lora_alpha` to be an integer where it is one.
  private static func number(_ value: Double) -> JSONValue {
    Int(exactly: value).map { .integer($0) } ?? .double(value)
  }
}
