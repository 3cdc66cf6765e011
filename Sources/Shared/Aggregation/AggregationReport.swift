// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute
import Streams

/// Diagnostics of one aggregation (Documentation/formats/aggregate.md): one line of JSON.
package struct AggregationReport: Sendable {
  /// One module's update: its norm ‖M‖ and the drift ‖M − B̄Ā‖ / ‖M‖, Frobenius.
  package struct Module: Sendable {
    package let path: String
    package let norm: Double
    /// nil where ‖M‖ is zero and the result is not.
    package let drift: Double?
    package let rank: Int
    /// ‖X − B·A‖ of the update that the rule cut to this rank; nil where it cuts none.
    package let truncation: Double?
  }

  package let modules: [Module]
  /// Over all modules together.
  package let drift: Double?
  private let outcome: AggregationJob.Outcome
  private let job: AggregationJob

  /// Measures the drift of each module. Costs K²(in + out) a module, K the sum of the clients' ranks.
  package init(_ outcome: AggregationJob.Outcome, of job: AggregationJob) throws(AggregationError) {
    self.outcome = outcome
    self.job = job
    let rule = try job.rule.rule(job.options)
    let loop = ParallelFor(threads: job.threads)
    let adapter = outcome.adapter
    typealias Norms = (exact: Double, residual: Double)
    let norms = loop.map(adapter.modules.count) { index -> Result<Norms, AggregationError> in
      do throws(AggregationError) {
        return .success(
          (
            ClientFactors.exactMean(outcome.round, module: index).squaredNorm(),
            try rule.residual(outcome.round, module: index, result: adapter).squaredNorm()
          ))
      } catch { return .failure(error) }
    }
    var modules: [Module] = []
    var total = (exact: 0.0, residual: 0.0)
    for (index, module) in adapter.modules.enumerated() {
      let (exact, residual) = try norms[index].get()
      total = (total.exact + exact, total.residual + residual)
      modules.append(
        Module(
          path: module.path, norm: exact.squareRoot(), drift: Self.ratio(residual, exact),
          rank: module.rank, truncation: outcome.result.truncation?[index]))
    }
    self.modules = modules
    drift = Self.ratio(total.residual, total.exact)
  }

  private static func ratio(_ residual: Double, _ exact: Double) -> Double? {
    if exact > 0 { return (residual / exact).squareRoot() }
    return residual > 0 ? nil : 0
  }

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
          write(
            client, round.weights[index], outcome.result.coefficients?[index], to: &writer)
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
      writer.array("modules") { writer in
        for module in modules {
          writer.object { writer in
            writer.field("module", module.path)
            writer.field("norm", module.norm)
            writer.field("drift", module.drift.map { JSONValue.double($0) } ?? .null)
            if let truncation = module.truncation {
              writer.field("rank", module.rank)
              writer.field("truncation", truncation)
            }
          }
        }
      }
    }
    writer.newline()
    return writer.bytes
  }

  private func write(
    _ client: Contribution, _ weight: Double, _ coefficient: Double?, to writer: inout JSONWriter
  ) {
    let claims = client.file.provenance
    writer.object { writer in
      writer.field("client", client.client.map { JSONValue.string($0) } ?? .null)
      writer.field("adapter", ifPresent: client.digest)
      writer.field("records", ifPresent: claims?.records)
      writer.field("tokens", ifPresent: claims?.tokens)
      writer.field("target_tokens", ifPresent: claims?.targetTokens)
      writer.field("quality_tokens", ifPresent: claims?.qualityTokens)
      writer.field("steps", ifPresent: claims?.steps)
      writer.field("weight", weight)
      writer.field("coefficient", ifPresent: coefficient)
    }
  }
}
