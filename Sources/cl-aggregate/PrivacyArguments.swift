// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import ArgumentParser
import CommandSupport
import Privacy
import Streams

/// Noise, masks, and how far a client is trusted.
struct PrivacyArguments: ParsableArguments {
  @Option(help: "Client-level privacy: cut each client's change from --parent to this norm.")
  var dpClip: Double?

  @Option(help: "Its noise multiplier: standard deviation over sensitivity.")
  var dpNoise: Double?

  @Option(help: "Its delta (default: 1e-5).")
  var dpDelta: Double?

  @Option(help: "Probability that a client takes part in a round (default: 1).")
  var dpRate: Double?

  @Option(help: "Rounds so far, this one included (default: the clients' round).")
  var dpRounds: Int?

  @Option(help: "Clients that a round is expected to have (default: those offered).")
  var dpClients: Int?

  @Option(help: "A file of 16 bytes or more that keys the noise; keep it from whoever sees the result.")
  var dpSecret: String?

  @Option(help: "Let the clipping norm follow the median norm; this file keeps it between rounds.")
  var dpAdaptive: String?

  @Flag(help: "Allow noise on both factors, though their product squares it.")
  var dpBothFactors = false

  @Flag(help: "Simulate secure aggregation: only a sum of masked integers is opened.")
  var secureAggregation = false

  @Option(help: "A client that leaves after the masks were agreed; may be repeated.")
  var secureLost: [String] = []

  @Option(help: "Refuse updates longer than this, or than this many times the median (\"10x\").")
  var maxNorm: String?

  func trust() throws -> TrustBounds {
    guard let maxNorm else { return TrustBounds() }
    guard let norm = TrustBounds.Norm(maxNorm) else {
      throw UsageError("--max-norm: expected a number above 0, or one followed by x, found \(maxNorm)")
    }
    return TrustBounds(maximumNorm: norm)
  }

  func secure(seed: UInt64) throws -> SecureAveraging? {
    if !secureAggregation, !secureLost.isEmpty {
      throw UsageError("--secure-lost needs --secure-aggregation")
    }
    return secureAggregation ? SecureAveraging(lost: secureLost, seed: seed) : nil
  }

  func privacy(parent: AdapterFile?) throws -> ClientPrivacy? {
    guard let dpClip else {
      let isUsed =
        dpNoise != nil || dpSecret != nil || dpAdaptive != nil || dpDelta != nil || dpRate != nil
        || dpRounds != nil || dpClients != nil || dpBothFactors
      if isUsed { throw UsageError("--dp-… need --dp-clip NORM") }
      return nil
    }
    guard let dpNoise, let dpSecret else {
      throw UsageError(
        "--dp-clip needs --dp-noise and --dp-secret",
        hint: "head -c 32 /dev/urandom > secret makes a secret")
    }
    let norm = try dpAdaptive.map {
      try ClipFile.norm($0, parent: parent?.digest() ?? "", initial: dpClip)
    }
    return try ClientPrivacy(
      clipNorm: norm ?? dpClip, noise: dpNoise, delta: dpDelta ?? 1e-5, rate: dpRate ?? 1,
      rounds: dpRounds, clients: dpClients, allowsBothFactors: dpBothFactors,
      adaptive: dpAdaptive == nil ? nil : AdaptiveClip(),
      secret: try InputSource(path: dpSecret).readAll())
  }

  /// Keeps the next norm, if it adapts.
  func save(
    _ outcome: AggregationJob.Outcome, parent: AdapterFile?, digest: @autoclosure () -> String
  ) throws {
    guard let dpAdaptive, let guarantee = outcome.guarantee, let parent else { return }
    try ClipFile.write(
      dpAdaptive, used: (guarantee.clipNorm, parent.digest()),
      next: (guarantee.nextClipNorm, digest()))
  }
}

/// The clipping norm between rounds: of the next round, and of the last one in case it is run again.
enum ClipFile {
  static func norm(_ path: String, parent: String, initial: Double) throws -> Double {
    guard FileSystem.exists(path) else { return initial }
    let value = try? JSONValue(parsing: try InputSource(path: path).readAll())
    for name in ["next", "used"] {
      if let entry = value?[name], entry["parent"]?.text == parent,
        let norm = entry["clip_norm"]?.number, norm > 0, norm.isFinite
      {
        return norm
      }
    }
    throw UsageError("--dp-adaptive: \(path) does not belong to --parent \(parent.prefix(12))")
  }

  static func write(
    _ path: String, used: (norm: Double, parent: String), next: (norm: Double, parent: String)
  ) throws {
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("type", "clip")
      writer.field("v", 1)
      for (name, entry) in [("used", used), ("next", next)] {
        writer.object(name) { writer in
          writer.field("clip_norm", entry.norm)
          writer.field("parent", entry.parent)
        }
      }
    }
    writer.newline()
    let sink = try OutputSink(path: path)
    try sink.write(writer.bytes)
    try sink.close()
  }
}
