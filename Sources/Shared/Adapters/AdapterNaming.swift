// SPDX-License-Identifier: Apache-2.0

/// A tensor of a LoRA update: the factors of ΔW = scale · B·A, and DoRA's magnitudes.
package enum LoRAFactor: String, Sendable, CaseIterable {
  /// [rank, in].
  case a = "lora_A"
  /// [out, rank].
  case b = "lora_B"
  /// [out]; only with DoRA.
  case magnitude = "lora_magnitude_vector"

  /// What follows the module's path in a tensor's name.
  fileprivate var suffix: String { self == .magnitude ? ".\(rawValue)" : ".\(rawValue).weight" }
}

/// PEFT's tensor names and the module paths of the base model, for example
/// `model.layers.0.self_attn.q_proj`.
package enum AdapterNaming {
  static let prefix = "base_model.model."

  package static func tensorName(_ module: String, _ factor: LoRAFactor) -> String {
    "\(prefix)\(module)\(factor.suffix)"
  }

  /// The module and the factor that a tensor's name says; nil if it is none of a linear module.
  package static func parse(_ tensor: String) -> (module: String, factor: LoRAFactor)? {
    guard tensor.hasPrefix(prefix) else { return nil }
    for factor in LoRAFactor.allCases {
      let suffix = factor.suffix
      if tensor.hasSuffix(suffix) {
        let module = tensor.dropFirst(prefix.count).dropLast(suffix.count)
        return module.isEmpty ? nil : (String(module), factor)
      }
    }
    return nil
  }

  /// The first part of a path that is a number: the layer; nil for a module outside the layers.
  package static func layer(of module: String) -> Int? {
    for part in module.split(separator: ".") {
      if let number = Int(part), number >= 0 { return number }
    }
    return nil
  }

  /// The last part of a path, for example `q_proj`.
  package static func suffix(of module: String) -> String {
    module.lastIndex(of: ".").map { String(module[module.index(after: $0)...]) } ?? module
  }
}
