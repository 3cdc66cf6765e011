// SPDX-License-Identifier: Apache-2.0
package import Adapters
package import Compute
package import GGUF
package import Safetensors
package import Streams

// LanguageModels: a decoder-only transformer with LoRA, written against a `Device`. Opens a base
// model (Hugging Face folder or GGUF file), maps its names and settings to one decoder driven by
// flags, and computes likelihoods and the gradients of LoRA factors.

/// Why a base model, or an adapter for it, cannot be used.
package enum ModelError: Error, Equatable {
  /// Neither a folder with config.json nor a GGUF file.
  case notAModel(path: String, reason: String)
  /// config.json, an index or GGUF metadata is damaged.
  case badConfig(path: String, reason: String)
  /// A field is missing, of another type, or outside its range.
  case badField(path: String, field: String, expected: String, found: String)
  /// A field that changes what the model computes, and that the decoder does not know.
  case unsupportedField(path: String, field: String, value: String)
  /// No family of the catalog has this `model_type` or GGUF architecture.
  case unknownFamily(path: String, name: String, known: [String])
  case missingTensor(path: String, name: String)
  case unexpectedTensor(path: String, name: String)
  case duplicateTensor(path: String, name: String)
  case wrongShape(path: String, tensor: String, expected: [Int], found: [Int])
  case unsupportedType(path: String, tensor: String, type: String)
  /// Reading a file failed.
  case stream(StreamError)
  /// A weight file was refused by its format.
  case safetensors(SafetensorsError)
  case gguf(GGUFError)
  /// The device cannot do what is needed.
  case device(DeviceError)
  /// A LoRA target that no linear map of the model matches.
  case unknownTarget(name: String, known: [String])
  /// A layer to adapt that the model does not have.
  case unknownLayer(layer: Int, layerCount: Int)
  /// An adapter's module, rank or shape does not fit the base model.
  case adapterMismatch(module: String, expected: String, found: String)
  /// A LoRA target outside of the layers: an embedding or the output head.
  case untrainable(name: String)
  /// An adapter's settings were refused.
  case adapter(AdapterError.Problem)
  /// A setting of an adapter that the decoder does not know.
  case unsupportedAdapter(field: String, value: String)
  /// A token id outside the vocabulary.
  case tokenOutsideVocabulary(token: Int, vocabulary: Int)
}

extension ModelError: Diagnosable {
  package var category: FailureCategory {
    switch self {
    case .notAModel: .noInput
    case .badConfig, .tokenOutsideVocabulary, .duplicateTensor: .badData
    case .badField, .unsupportedField, .unknownFamily, .missingTensor, .unexpectedTensor,
      .wrongShape, .unsupportedType, .adapterMismatch, .unsupportedAdapter:
      .unsupportedConfiguration
    case .stream(let error): error.category
    case .safetensors(let error): error.category
    case .gguf(let error): error.category
    case .device(let error): error.category
    case .unknownTarget, .unknownLayer, .untrainable, .adapter: .usage
    }
  }

  package var location: String? {
    switch self {
    case .notAModel(let path, _), .badConfig(let path, _), .badField(let path, _, _, _),
      .unsupportedField(let path, _, _), .unknownFamily(let path, _, _),
      .missingTensor(let path, _), .unexpectedTensor(let path, _), .duplicateTensor(let path, _),
      .wrongShape(let path, _, _, _), .unsupportedType(let path, _, _):
      path
    case .stream(let error): error.location
    case .safetensors(let error): error.location
    case .gguf(let error): error.location
    default: nil
    }
  }

  package var message: String {
    switch self {
    case .notAModel(_, let reason): "no model: \(reason)"
    case .badConfig(_, let reason): reason
    case .badField(_, let field, let expected, let found):
      "field \"\(field)\": expected \(expected), found \(found)"
    case .unsupportedField(_, let field, let value):
      "field \"\(field)\" = \(value) changes what the model computes and is not supported"
    case .unknownFamily(_, let name, let known):
      "model family \"\(name)\" is not supported (known: \(known.joined(separator: ", ")))"
    case .missingTensor(_, let name): "tensor \"\(name)\" is missing"
    case .unexpectedTensor(_, let name): "tensor \"\(name)\" has no place in this model"
    case .duplicateTensor(_, let name): "tensor \"\(name)\" occurs twice"
    case .wrongShape(_, let tensor, let expected, let found):
      "tensor \"\(tensor)\": expected shape \(expected), found \(found)"
    case .unsupportedType(_, let tensor, let type):
      "tensor \"\(tensor)\": values of type \(type) are not supported"
    case .stream(let error): error.message
    case .safetensors(let error): error.message
    case .gguf(let error): error.message
    case .device(let error): error.message
    case .unknownTarget(let name, let known):
      "no module of the model matches \"\(name)\" (it has \(known.joined(separator: ", ")))"
    case .unknownLayer(let layer, let count):
      "layer \(layer) does not exist: the model has layers 0 to \(count - 1)"
    case .adapterMismatch(let module, let expected, let found):
      "adapter module \"\(module)\": expected \(expected), found \(found)"
    case .untrainable(let name):
      "\"\(name)\" is no linear map of a layer: embeddings and the output head are not trained"
    case .adapter(let problem): AdapterError(problem, path: "").message
    case .unsupportedAdapter(let field, let value):
      "adapter setting \"\(field)\" = \(value) is not supported"
    case .tokenOutsideVocabulary(let token, let vocabulary):
      "token id \(token) is outside the vocabulary of \(vocabulary)"
    }
  }

  package var hint: String? {
    switch self {
    case .stream(let error): error.hint
    case .safetensors(let error): error.hint
    case .gguf(let error): error.hint
    case .device(let error): error.hint
    case .untrainable: "adapt the layers: --target-modules all-linear"
    default: nil
    }
  }
}
