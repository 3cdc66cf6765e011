// SPDX-License-Identifier: Apache-2.0
package import Safetensors
package import Streams

/// Why an adapter cannot be read or used.
package struct AdapterError: Error, Equatable {
  package enum Problem: Error, Equatable, Sendable {
    /// The safetensors file itself is at fault.
    case safetensors(SafetensorsError)
    /// Opening, reading or writing failed.
    case stream(StreamError)
    /// Neither the metadata nor a file beside it holds the configuration.
    case missingConfiguration
    /// The configuration is no JSON object.
    case malformedConfiguration(String)
    /// A setting has the wrong type or is out of range.
    case invalidSetting(key: String, expected: String)
    /// A setting asks for something that we do not compute.
    case unsupportedSetting(key: String, value: String)
    /// A field of the `cl` metadata has the wrong type or is out of range.
    case invalidProvenance(field: String, expected: String)
    /// No LoRA tensors at all.
    case empty
    /// A tensor that is neither a `lora_A` nor a `lora_B` of a linear module.
    case unsupportedTensor(String)
    /// One of the two factors is not there.
    case missingTensor(String)
    /// A factor that is no matrix, or has an extent of zero; magnitudes that are none of B's rows.
    case invalidShape(tensor: String, shape: [Int])
    /// The factors of a module, or its tensors and the configuration, disagree in rank.
    case rankMismatch(module: String, found: Int, expected: Int)
    /// The configuration does not target this module.
    case untargetedModule(String)
    /// NaN or infinity.
    case notFinite(tensor: String, index: Int)
  }
  /// The file or folder, or `(standard input) #n`.
  package let path: String
  package let problem: Problem

  package init(_ problem: Problem, path: String) {
    self.path = path
    self.problem = problem
  }
}

extension AdapterError: Diagnosable {
  package var category: FailureCategory {
    switch problem {
    case .safetensors(let error): error.category
    case .stream(let error): error.category
    case .unsupportedSetting, .unsupportedTensor: .unsupportedConfiguration
    default: .badData
    }
  }

  package var location: String? {
    switch problem {
    case .safetensors(let error): error.location
    case .stream(let error): error.location ?? path
    default: path
    }
  }

  package var message: String {
    switch problem {
    case .safetensors(let error): error.message
    case .stream(let error): error.message
    case .missingConfiguration:
      "no adapter configuration: neither in the metadata nor as adapter_config.json beside the file"
    case .malformedConfiguration(let reason): "adapter configuration: \(reason)"
    case .invalidSetting(let key, let expected):
      "adapter configuration: \"\(key)\": expected \(expected)"
    case .unsupportedSetting(let key, let value):
      "adapter configuration: \"\(key)\": \(value) is not supported"
    case .invalidProvenance(let field, let expected):
      "metadata \"cl\": field \"\(field)\": expected \(expected)"
    case .empty: "no LoRA tensors"
    case .unsupportedTensor(let name):
      "tensor \"\(name)\" is neither a lora_A nor a lora_B of a linear module"
    case .missingTensor(let name): "tensor \"\(name)\" is missing"
    case .invalidShape(let tensor, let shape):
      "tensor \"\(tensor)\": expected "
        + (tensor.hasSuffix(LoRAFactor.magnitude.rawValue) ? "a value a row of B" : "a matrix")
        + ", found shape \(shape)"
    case .rankMismatch(let module, let found, let expected):
      "module \"\(module)\": expected rank \(expected), found \(found)"
    case .untargetedModule(let module):
      "module \"\(module)\" has tensors but is none of the configuration's target_modules"
    case .notFinite(let tensor, let index):
      "tensor \"\(tensor)\": value \(index + 1) is not a finite number"
    }
  }

  package var hint: String? {
    switch problem {
    case .safetensors(let error): error.hint
    case .unsupportedSetting(let key, _): Self.hints[key]
    case .unsupportedTensor(let name) where name.contains("lora_embedding"):
      "adapters of embeddings are not supported: train without embed_tokens in target_modules"
    default: nil
    }
  }

  /// What to do about settings that people use and we refuse.
  private static let hints = [
    "modules_to_save": "embeddings and heads stay as they are: train without modules_to_save",
    "trainable_token_indices": "embeddings stay as they are: train without new tokens",
    "target_parameters": "only linear modules are adapted: use target_modules",
    "peft_type": "only LoRA and DoRA are supported, not other methods of PEFT",
    "bias": "only bias=\"none\" is supported",
    "lora_bias": "only lora_bias=False is supported",
    "fan_in_fan_out": "models of Conv1D layers (GPT-2) are not supported",
    "init_lora_weights":
      "save it in PEFT as plain LoRA: save_pretrained(…, path_initial_model_for_weight_conversion=…)",
  ]
}
