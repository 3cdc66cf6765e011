// SPDX-License-Identifier: Apache-2.0
import Compute
import Examples
import LanguageModels
import Streams
import Training

extension TrainSession {
  /// What would be done, as one line of JSON on standard output.
  func printPlan() throws {
    let about = try PlanSubject(self)
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("type", "train_plan")
      writer.field("v", 1)
      writer.field("model", options.model)
      writer.field("family", base.config.family)
      writer.field("base", baseDigest)
      writer.field("layers", base.config.layerCount)
      writer.field("adapted_modules", model.lora?.modules.count ?? 0)
      writer.field("trainable_parameters", trainableParameters)
      writer.field("records", plan.set.examples.count)
      writer.field("tokens", plan.set.lengths.reduce(0, +))
      writer.field("target_tokens", plan.set.counts.targetTokens)
      writer.field("steps", plan.steps.count)
      writeMemory(to: &writer)
      writer.field("precision", device.precision.rawValue)
      writer.field("kernels", device.summary)
      about.write(to: &writer)
    }
    writer.newline()
    let sink = try OutputSink(path: "-")
    try sink.write(writer.bytes)
    try sink.close()
  }

  private func writeMemory(to writer: inout JSONWriter) {
    let (buffers, work) = (memory.plan, memory.work)
    writer.field("row_tokens", buffers.rows)
    writer.field("kept_layers", buffers.keptLayers)
    writer.field("attention_layers", buffers.attentionLayers)
    writer.field(
      "recomputed_layers",
      buffers.trainedLayers - buffers.keptLayers - buffers.attentionLayers)
    writer.object("layer_bytes") { writer in
      writer.field("attention", buffers.attentionBytes)
      writer.field("upper", buffers.upperBytes)
    }
    writer.object("operation_bytes") { writer in
      writer.field("weights_expanded", work.workDemands[WorkStorage.weights.rawValue])
      writer.field("logits", work.workDemands[WorkStorage.logits.rawValue])
      writer.field("attention", work.workDemands[WorkStorage.attention.rawValue])
    }
    writer.object("memory_bytes") { writer in
      writer.field("weights_mapped", buffers.mappedBytes)
      writer.field(
        "activations_kept", buffers.activationBytes - buffers.sharedActivationBytes)
      writer.field("activations_recomputed", buffers.sharedActivationBytes)
      writer.field("residuals", buffers.residualBytes)
      writer.field("workspace", buffers.scratchBytes)
      writer.field("operations", work.workBytes)
      writer.field("adapter_and_gradients", buffers.adapterBytes)
      writer.field("optimizer", memory.optimizerBytes)
      writer.field("checkpoint", memory.checkpointBytes)
      writer.field("program", memory.programBytes)
      writer.field("peak", memory.peakBytes)
    }
  }
}
