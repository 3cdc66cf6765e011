// SPDX-License-Identifier: Apache-2.0
import Compute
import Foundation
import LanguageModels
import Safetensors
import Streams
import TestSupport

/// One tiny model with what transformers and PEFT computed for it (Tests/Fixtures/golden).
struct Golden {
  static let names = [
    "llama2", "llama3", "llama3-rslora-some", "llama3-dora", "mistral", "qwen2", "qwen3", "gemma2",
    "gemma3", "smollm3", "phi3-mini-4k", "phi3-mini-128k", "gemma", "gemma3-vision", "granite",
  ]

  /// Logits may differ by this much: six times what float64 differs from the reference.
  static let logitTolerance: Float = 3e-5
  /// Gradients, relative to the tensor's norm.
  static let gradientTolerance = 3e-5
  static let lossTolerance = 1e-5
  /// The adapter after ten steps, relative to the tensor's norm.
  static let adapterTolerance = 1e-3

  let folder: String
  let expected: SafetensorsFile
  let losses: [Double]
  let sequences: [(tokens: [Int32], isTarget: [Bool])]

  init(_ name: String) throws {
    folder = PackageLayout.fixture("golden/\(name)")
    expected = try SafetensorsFile(path: "\(folder)/expected.safetensors")
    let bytes = try InputSource(path: "\(folder)/expected.json").readAll()
    losses = (try JSONValue(parsing: bytes)["losses"]?.elements ?? []).compactMap(\.number)
    var sequences: [(tokens: [Int32], isTarget: [Bool])] = []
    for index in 0..<3 {
      let ids = try expected.tensor("input_ids.\(index)").integers()
      let labels = try expected.tensor("labels.\(index)").integers()
      sequences.append((ids.map { Int32($0) }, labels.map { $0 != -100 }))
    }
    self.sequences = sequences
  }

  var modelPath: String { "\(folder)/model" }
  var targets: Int { PackedRow(sequences).targets.count }

  /// The factors in adapter-init or adapter-final.
  func adapterFile(_ name: String) throws -> SafetensorsFile {
    try SafetensorsFile(path: "\(folder)/\(name)/adapter_model.safetensors")
  }

  /// The modules that the reference adapted, with its settings.
  func modules(of config: DecoderConfig) throws -> [LoRAModule] {
    let bytes = try InputSource(path: "\(folder)/adapter-init/adapter_config.json").readAll()
    let json = try JSONValue(parsing: bytes)
    var settings = LoRASettings()
    settings.rank = json["r"]?.int ?? 0
    settings.alpha = json["lora_alpha"]?.number ?? 0
    settings.isRankStabilised = json["use_rslora"]?.bool ?? false
    settings.isDecomposed = json["use_dora"]?.bool ?? false
    settings.targets = .named((json["target_modules"]?.elements ?? []).compactMap(\.text))
    settings.layers = json["layers_to_transform"]?.elements?.compactMap(\.int)
    return try settings.modules(of: config)
  }

  /// The base model with the initial adapter on `device`.
  func adaptedModel(on device: any Device) throws -> LanguageModel {
    let base = try BaseModel(path: modelPath)
    let model = try LanguageModel(
      base: base, modules: try modules(of: base.config), device: device)
    let file = try adapterFile("adapter-init")
    guard let lora = model.lora else { throw CocoaError(.fileNoSuchFile) }
    for (index, module) in lora.modules.enumerated() {
      lora.write(a: try file.tensor(Golden.name(module, "A")).floats(), at: index)
      lora.write(b: try file.tensor(Golden.name(module, "B")).floats(), at: index)
      if module.isDecomposed {
        let name = Golden.magnitudeName(module)
        lora.write(magnitude: try file.tensor(name).floats(), at: index)
      }
    }
    return model
  }

  static func name(_ module: LoRAModule, _ factor: String) -> String {
    "base_model.model.\(module.path).lora_\(factor).weight"
  }

  static func magnitudeName(_ module: LoRAModule) -> String {
    "base_model.model.\(module.path).lora_magnitude_vector"
  }

  static func largestDifference(_ left: [Float], _ right: [Float]) -> Float {
    left.count == right.count
      ? zip(left, right).map { abs($0 - $1) }.max() ?? 0 : .infinity
  }

  /// ‖left - right‖ / ‖right‖
  static func relativeDifference(_ left: [Float], _ right: [Float]) -> Double {
    guard left.count == right.count else { return .infinity }
    var (difference, norm) = (0.0, 0.0)
    for (x, y) in zip(left, right) {
      difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
      norm += Double(y) * Double(y)
    }
    return (difference / max(norm, 1e-300)).squareRoot()
  }
}
