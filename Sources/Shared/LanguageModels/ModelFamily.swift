// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Maps the settings and tensor names of one family of models to the decoder's flags.
///
/// Laws, checked for every entry of ``FamilyCatalog``: it reads every field that changes what its
/// models compute, and it contains no arithmetic on tensors.
package protocol ModelFamily: Sendable {
  /// `model_type` in config.json.
  static var modelType: String { get }
  /// `general.architecture` in GGUF metadata; nil where llama.cpp has none of its own.
  static var ggufArchitecture: String? { get }
  /// GGUF files of this family keep the rows of q and k interleaved by pairs.
  static var ggufInterleavesHeads: Bool { get }
  /// The decoder that `fields` describe.
  static func decoder(_ fields: inout ConfigFields) throws(ModelError) -> DecoderConfig
  /// Adds what llama.cpp knows of the architecture without the file saying it.
  static func completeGGUF(_ fields: inout JSONObject)
  /// What the decoder calls a tensor of a Hugging Face folder; nil for one of a part that writes
  /// nothing. The same name, in models that only write.
  static func decoderName(of tensor: String) -> String?
}

extension ModelFamily {
  package static func decoderName(of tensor: String) -> String? { tensor }
  package static func completeGGUF(_ fields: inout JSONObject) {}
}

/// All families, one line each.
package enum FamilyCatalog {
  package static let all: [any ModelFamily.Type] = [
    Llama.self,
    Mistral.self,
    Qwen2.self,
    Qwen3.self,
    Gemma.self,
    Gemma2.self,
    Gemma3.self,
    Gemma3Multimodal.self,
    SmolLM3.self,
    Phi3.self,
    Granite.self,
  ]

  /// The family of a `model_type`.
  ///
  /// - Throws: ``ModelError/unknownFamily(path:name:known:)``.
  package static func family(
    modelType: String, path: String
  ) throws(ModelError) -> any ModelFamily.Type {
    for family in all where family.modelType == modelType { return family }
    throw .unknownFamily(path: path, name: modelType, known: all.map { $0.modelType })
  }

  /// The family of a GGUF architecture.
  ///
  /// - Throws: ``ModelError/unknownFamily(path:name:known:)``.
  package static func family(
    ggufArchitecture: String, path: String
  ) throws(ModelError) -> any ModelFamily.Type {
    for family in all where family.ggufArchitecture == ggufArchitecture { return family }
    throw .unknownFamily(
      path: path, name: ggufArchitecture, known: all.compactMap { $0.ggufArchitecture })
  }
}
