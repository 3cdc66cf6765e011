// SPDX-License-Identifier: Apache-2.0
import Streams

/// The part of Gemma 3 that writes, in checkpoints that also see (`model_type` gemma3, 4B and up):
/// ``Gemma3`` with its settings in `text_config` and its tensors below `language_model`.
package enum Gemma3Multimodal: ModelFamily {
  package static let modelType = "gemma3"
  package static let ggufArchitecture = Gemma3.ggufArchitecture
  package static let ggufInterleavesHeads = Gemma3.ggufInterleavesHeads

  package static func decoder(_ fields: inout ConfigFields) throws(ModelError) -> DecoderConfig {
    guard var text = try fields.nested("text_config") else {
      throw fields.missing("text_config", "an object")
    }
    // What an image becomes, and where it stands: of no effect on text.
    for field in [
      "vision_config", "mm_tokens_per_image", "boi_token_index", "eoi_token_index",
      "image_token_index",
    ] { _ = fields.value(field) }
    var config = try Gemma3.decoder(&text)
    if let isTied = try fields.flag("tie_word_embeddings"), isTied != config.hasTiedHead {
      throw fields.unsupported("tie_word_embeddings", .boolean(isTied))
    }
    try text.refuseUnread()
    config.family = modelType
    config.layersPath = "model.language_model.layers"
    config.foreignModules = ".*(vision_tower|multi_modal_projector).*"
    return config
  }

  /// Files have `language_model.model.` or, from some versions of transformers, what their modules
  /// are called: `model.language_model.`.
  package static func decoderName(of tensor: String) -> String? {
    for (prefix, name) in [
      ("language_model.model.", "model."), ("language_model.lm_head.", "lm_head."),
      ("model.language_model.", "model."), ("lm_head.", "lm_head."),
    ] where tensor.hasPrefix(prefix) {
      return name + tensor.dropFirst(prefix.count)
    }
    let isForeign = [
      "vision_tower.", "multi_modal_projector.", "model.vision_tower.",
      "model.multi_modal_projector.",
    ].contains { tensor.hasPrefix($0) }
    return isForeign ? nil : tensor
  }
}
