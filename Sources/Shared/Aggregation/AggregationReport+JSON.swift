// SPDX-License-Identifier: Apache-2.0
import Adapters
import Streams

extension AggregationReport {
  /// The line, with its line feed.
  ///
  /// - Parameters:
  ///   - digest: of the aggregated adapter.
  ///   - bytesOut: size of the safetensors file written.
  package func line(digest: String, bytesOut: Int) -> [UInt8] {
    let round = outcome.round
    let provenance = outcome.adapter.provenance
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("type", "aggregate")
      writer.field("v", 1)
      writer.field("rule", job.rule.name)
      writer.field("weights", job.weights.name + job.shaping.suffix)
      for (key, value) in [("base", provenance?.base), ("parent", provenance?.parent)] {
        writer.field(key, value.map { JSONValue.string($0) } ?? .null)
      }
      writer.field("round", ifPresent: provenance?.round)
      writer.array("clients") { writer in
        for (index, client) in round.clients.enumerated() {
          write(client, index, to: &writer)
        }
      }
      writer.array("refused") { writer in
        for refusal in outcome.refused {
          writer.object { writer in
            writer.field("file", refusal.path)
            writer.field("client", ifPresent: refusal.client)
            writer.field("reason", refusal.error.message)
          }
        }
      }
      writer.field("effective_clients", 1 / round.weights.reduce(0) { $0 + $1 * $1 })
      writer.field("rank", outcome.adapter.config.rank)
      writer.field("parameters", outcome.adapter.parameterCount)
      writer.field("adapter", digest)
      writer.field("bytes_in", round.clients.reduce(0) { $0 + $1.file.byteCount })
      writer.field("bytes_out", bytesOut)
      writer.field("drift", drift.map { JSONValue.double($0) } ?? .null)
      writer.field("server", ifPresent: provenance?.server)
      if let guarantee = outcome.guarantee { write(guarantee, to: &writer) }
      if let claim = AggregationJob.recordPrivacy(round) {
        writer.object("record_privacy") { writer in
          writer.field("level", claim.unit)
          writer.field("epsilon", claim.epsilon)
          writer.field("delta", claim.delta)
        }
      }
      if let secure = outcome.secure {
        writer.object("secure_aggregation") { writer in
          writer.field("simulated", true)
          writer.field("clients", secure.clients)
          writer.field("survivors", secure.survivors)
          writer.field("threshold", secure.threshold)
          writer.field("cut_values", secure.cutValues)
        }
      }
      if let clients, clients.norms.count <= Self.mostPairs {
        pairs("cosines", clients.norms.count, to: &writer) { clients.cosine($0, $1) }
        pairs("distances", clients.norms.count, to: &writer) { clients.distance($0, $1) }
      }
      writer.array("modules") { writer in
        for module in modules { write(module, to: &writer) }
      }
    }
    writer.newline()
    return writer.bytes
  }

  private func write(_ guarantee: ClientPrivacy.Guarantee, to writer: inout JSONWriter) {
    writer.object("privacy") { writer in
      writer.field("level", "client")
      writer.field("epsilon", guarantee.epsilon)
      writer.field("delta", guarantee.delta)
      writer.field("order", guarantee.order)
      writer.field("noise_multiplier", guarantee.noise)
      writer.field("clip_norm", guarantee.clipNorm)
      writer.field("next_clip_norm", guarantee.nextClipNorm)
      writer.field("deviation", guarantee.deviation)
      writer.field("rate", guarantee.rate)
      writer.field("rounds", guarantee.rounds)
      writer.field("clients", guarantee.clients)
      writer.field("holds_for", "the adapter and what is made of it")
      writer.field(
        "does_not_hold_for", "this report, refusals, and whoever sees single adapters or the secret")
    }
  }

  private func write(_ module: Module, to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("module", module.path)
      writer.field("norm", module.norm)
      writer.field("drift", module.drift.map { JSONValue.double($0) } ?? .null)
      if let truncation = module.truncation {
        writer.field("rank", module.rank)
        writer.field("truncation", truncation)
      }
      list("singular_values", module.singularValues.map { $0 }, to: &writer)
      writer.field("effective_rank", Float(module.effectiveRank))
      list("client_norms", module.clients.norms.map { $0 }, to: &writer)
      list("client_cosines", module.clients.cosinesToMean, to: &writer)
      list("leave_one_out", module.clients.leaveOneOut, to: &writer)
      if let cosine = module.clients.meanCosine { writer.field("mean_cosine", Float(cosine)) }
    }
  }

  /// Diagnostics as float32: more digits would say nothing.
  private func list(_ name: String, _ values: [Double?], to writer: inout JSONWriter) {
    writer.array(name) { writer in
      for value in values {
        if let value { writer.value(Float(value)) } else { writer.null() }
      }
    }
  }

  /// For each client the values with those before it.
  private func pairs(
    _ name: String, _ count: Int, to writer: inout JSONWriter, _ value: (Int, Int) -> Double?
  ) {
    writer.array(name) { writer in
      for i in 0..<count {
        writer.array { writer in
          for j in 0..<i {
            if let value = value(i, j) { writer.value(Float(value)) } else { writer.null() }
          }
        }
      }
    }
  }

  private func write(_ client: Contribution, _ index: Int, to writer: inout JSONWriter) {
    let claims = client.file.provenance
    writer.object { writer in
      writer.field("client", client.client.map { JSONValue.string($0) } ?? .null)
      if outcome.secure == nil { writer.field("adapter", ifPresent: client.digest) }
      writer.field("records", ifPresent: claims?.records)
      writer.field("tokens", ifPresent: claims?.tokens)
      writer.field("target_tokens", ifPresent: claims?.targetTokens)
      writer.field("quality_tokens", ifPresent: claims?.qualityTokens)
      writer.field("steps", ifPresent: claims?.steps)
      writer.field("weight", outcome.round.weights[index])
      writer.field("coefficient", ifPresent: outcome.result.coefficients?[index])
      guard let clients else { return }
      writer.field("norm", clients.norms[index])
      for (name, value) in [
        ("cosine", clients.cosinesToMean[index]), ("leave_one_out", clients.leaveOneOut[index]),
        ("agreement", clients.agreement[index]),
      ] {
        writer.field(name, value.map { JSONValue.double($0) } ?? .null)
      }
    }
  }
}
