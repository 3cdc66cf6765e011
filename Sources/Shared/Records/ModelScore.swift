// SPDX-License-Identifier: Apache-2.0
internal import Streams

/// What a model makes of a record beyond its likelihood: part of `cl_score`
/// (Documentation/scores.md, "With a model").
package struct ModelScore: Sendable, Equatable {
  /// Ranks of the losses of single targets, and their names in records.
  package static let quantiles = ["p5", "p25", "p50", "p75", "p95", "max"]

  /// The choices of a question: -log p of each, and which choice was taken under three rules.
  package struct Choices: Sendable, Equatable {
    /// By choice, nats, summed over its tokens.
    package var nll: [Double]
    /// The choice of least nll, of least nll a character, of least nll a byte; from 0.
    package var picked: Int
    package var pickedByCharacters: Int
    package var pickedByBytes: Int
    /// The right one.
    package var answer: Int

    package init(
      nll: [Double], picked: Int, pickedByCharacters: Int, pickedByBytes: Int, answer: Int
    ) {
      self.nll = nll
      self.picked = picked
      self.pickedByCharacters = pickedByCharacters
      self.pickedByBytes = pickedByBytes
      self.answer = answer
    }
  }

  /// Nats of single targets at the ranks of ``quantiles``.
  package var tokenNLL: [Double]?
  /// -log p of the targets without what stands before them, nats.
  package var aloneNLL: Double?
  package var ifdLoss: Double?
  package var ifdPerplexity: Double?
  /// Nats a target that the prompt saves.
  package var alignment: Double?
  /// -log p of the targets by the reference model, nats.
  package var referenceNLL: Double?
  /// Nats a target that the reference model is ahead.
  package var learnability: Double?
  package var choices: Choices?
  /// What the model answers, and whether that is the record's answer.
  package var answer: String?
  package var isExactMatch: Bool?

  package init() {}

  func write(to writer: inout JSONWriter) {
    if let tokenNLL {
      writer.object("token_nll") { writer in
        for (name, value) in zip(Self.quantiles, tokenNLL) { writer.field(name, value) }
      }
    }
    writer.field("alone_nll", ifPresent: aloneNLL)
    writer.field("ifd_loss", ifPresent: ifdLoss)
    writer.field("ifd_ppl", ifPresent: ifdPerplexity)
    writer.field("alignment", ifPresent: alignment)
    writer.field("reference_nll", ifPresent: referenceNLL)
    writer.field("learnability", ifPresent: learnability)
    if let choices {
      writer.object("choices") { writer in
        writer.field("nll", choices.nll)
        writer.field("picked", choices.picked)
        writer.field("picked_norm", choices.pickedByCharacters)
        writer.field("picked_bytes", choices.pickedByBytes)
        writer.field("answer", choices.answer)
      }
    }
    writer.field("answer", ifPresent: answer)
    if let isExactMatch { writer.field("exact_match", isExactMatch) }
  }

  /// What `write` wrote; absent or of another type is nil.
  init(_ object: JSONValue) {
    if let list = object["token_nll"] {
      tokenNLL = Self.quantiles.compactMap { list[$0]?.number }
    }
    aloneNLL = object["alone_nll"]?.number
    ifdLoss = object["ifd_loss"]?.number
    ifdPerplexity = object["ifd_ppl"]?.number
    alignment = object["alignment"]?.number
    referenceNLL = object["reference_nll"]?.number
    learnability = object["learnability"]?.number
    if let choices = object["choices"], let picked = choices["picked"]?.int,
      let byCharacters = choices["picked_norm"]?.int, let byBytes = choices["picked_bytes"]?.int,
      let answer = choices["answer"]?.int
    {
      self.choices = Choices(
        nll: (choices["nll"]?.elements ?? []).compactMap(\.number), picked: picked,
        pickedByCharacters: byCharacters, pickedByBytes: byBytes, answer: answer)
    }
    answer = object["answer"]?.text
    isExactMatch = object["exact_match"]?.bool
  }
}
