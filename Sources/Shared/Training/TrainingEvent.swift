// SPDX-License-Identifier: Apache-2.0
package import LanguageModels
import Streams

/// A line of the training log (Documentation/formats/training-events.md).
package enum TrainingEvent: Sendable, Equatable {
  case start(Start)
  case step(Step)
  case end(End)

  /// What training is about to do.
  package struct Start: Sendable, Equatable {
    package var client: String?
    package var round: Int
    package var records = 0
    /// Tokens that one epoch passes through the model, and those that are targets.
    package var tokens = 0
    package var targetTokens = 0
    /// What the context cut off, and records that lost all their targets to it.
    package var truncatedRecords = 0
    package var truncatedTargetTokens = 0
    package var lostRecords = 0
    package var steps = 0
    package var trainableParameters = 0
    /// Digest of the base model, and of the adapter that training starts from.
    package var base = ""
    package var parent: String?
    package var kernels = ""
    package var threads = 1
    package var precision = "f32"
    /// The guarantee of record-level privacy; nil: none.
    package var privacy: String?

    package init(client: String?, round: Int) {
      self.client = client
      self.round = round
    }
  }

  /// One optimizer step.
  package struct Step: Sendable, Equatable {
    /// From 1.
    package var step: Int
    /// Mean over the step's target tokens before its update, nats.
    package var loss: Double
    package var targetTokens: Int
    package var tokens: Int
    package var learningRate: Double
    /// Global norm before clipping.
    package var gradientNorm: Double
    package var seconds: Double
    /// With record-level privacy: records that were drawn, and those of them that were cut.
    package var records: Int?
    package var clippedRecords: Int?

    package init(
      step: Int, loss: Double, targetTokens: Int, tokens: Int, learningRate: Double,
      gradientNorm: Double, seconds: Double, records: Int? = nil, clippedRecords: Int? = nil
    ) {
      self.step = step
      self.loss = loss
      self.targetTokens = targetTokens
      self.tokens = tokens
      self.learningRate = learningRate
      self.gradientNorm = gradientNorm
      self.seconds = seconds
      self.records = records
      self.clippedRecords = clippedRecords
    }
  }

  /// What training did.
  package struct End: Sendable, Equatable {
    package var client: String?
    package var round: Int
    package var steps = 0
    /// Sums over all steps, epochs included.
    package var tokens = 0
    package var targetTokens = 0
    package var lossFirst: Double?
    package var lossLast: Double?
    package var seconds = 0.0
    /// From the start of the process to the first step.
    package var startupSeconds = 0.0
    /// Floating-point operations of all steps.
    package var flops = 0.0
    /// Of the steps that this process did.
    package var profile = StepProfile()
    package var peakMemoryBytes = 0
    package var adapterBytes = 0
    /// Digest of the trained adapter.
    package var adapter = ""

    package init(client: String?, round: Int) {
      self.client = client
      self.round = round
    }
  }

  /// The line, its end included.
  package var line: [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      switch self {
      case .start(let event): Self.write(event, to: &writer)
      case .step(let event): Self.write(event, to: &writer)
      case .end(let event): Self.write(event, to: &writer)
      }
    }
    writer.newline()
    return writer.bytes
  }

  private static func write(_ event: Start, to writer: inout JSONWriter) {
    writer.field("type", "train_start")
    writer.field("v", 1)
    writer.field("client", event.client.map { JSONValue.string($0) } ?? .null)
    writer.field("round", event.round)
    writer.field("records", event.records)
    writer.field("tokens", event.tokens)
    writer.field("target_tokens", event.targetTokens)
    writer.field("truncated_records", event.truncatedRecords)
    writer.field("truncated_target_tokens", event.truncatedTargetTokens)
    writer.field("lost_records", event.lostRecords)
    writer.field("steps", event.steps)
    writer.field("trainable_parameters", event.trainableParameters)
    writer.field("base", event.base)
    writer.field("parent", event.parent.map { JSONValue.string($0) } ?? .null)
    writer.field("kernels", event.kernels)
    writer.field("threads", event.threads)
    writer.field("precision", event.precision)
    writer.field("privacy", ifPresent: event.privacy)
  }

  private static func write(_ event: Step, to writer: inout JSONWriter) {
    writer.field("type", "step")
    writer.field("v", 1)
    writer.field("step", event.step)
    writer.field("loss", event.loss)
    writer.field("target_tokens", event.targetTokens)
    writer.field("tokens", event.tokens)
    writer.field("learning_rate", event.learningRate)
    writer.field("gradient_norm", event.gradientNorm)
    writer.field("seconds", event.seconds)
    writer.field("records", ifPresent: event.records)
    writer.field("clipped_records", ifPresent: event.clippedRecords)
  }

  private static func write(_ event: End, to writer: inout JSONWriter) {
    writer.field("type", "train_end")
    writer.field("v", 1)
    writer.field("client", event.client.map { JSONValue.string($0) } ?? .null)
    writer.field("round", event.round)
    writer.field("steps", event.steps)
    writer.field("tokens", event.tokens)
    writer.field("target_tokens", event.targetTokens)
    writer.field("loss_first", event.lossFirst.map { JSONValue.double($0) } ?? .null)
    writer.field("loss_last", event.lossLast.map { JSONValue.double($0) } ?? .null)
    writer.field("seconds", event.seconds)
    writer.field("startup_seconds", event.startupSeconds)
    writer.field("flops", Int(min(event.flops, 9e18)))
    writer.object("seconds_by_part") { writer in
      for part in StepPart.allCases { writer.field(part.rawValue, event.profile[part]) }
    }
    writer.field("peak_memory_bytes", event.peakMemoryBytes)
    writer.field("adapter_bytes", event.adapterBytes)
    writer.field("adapter", event.adapter)
  }
}
