// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import ArgumentParser
import CommandSupport
import Streams

/// Options that only some rules have; the others refuse them.
struct RuleArguments: ParsableArguments {
  @Option(help: "svd, fedex and the robust rules: rank of the result, of the residual for fedex.")
  var rank: Int?

  @Option(help: "The same: keep this share of each module's squared norm, 0 to 1.")
  var energy: Double?

  @Option(help: "krum, multi-krum: hostile clients to withstand (default: the most there can be).")
  var hostile: Int?

  @Option(help: "multi-krum: clients to average (default: all but the hostile).")
  var keep: Int?

  @Option(help: "trimmed-mean: share of the clients dropped at each side (default: 0.2).")
  var trim: Double?

  @Option(help: "clip: longest norm of an update (default: the median of the norms).")
  var clipNorm: Double?

  @Option(help: "ties, dare: share of the values kept (default: 0.2, 0.5).")
  var density: Double?

  @Option(help: "fair: strength of the ridge (default: 0.01).")
  var ridge: Double?

  @Option(
    help: """
      The adapter that the clients started from: for clip, ties, dare, fednova, --server-optimizer, \
      --dp-clip, --max-norm.
      """)
  var parent: String?

  @Option(help: "fedex: write what the mean leaves out to this file or folder.")
  var residual: String?

  @Option(help: "fedex: write mean and residual side by side, the exact model, to this file or folder.")
  var exact: String?

  @Option(
    help: """
      share-a, svd, hetlora, segment: write what each client goes on from to this folder, as \
      CLIENT.safetensors.
      """)
  var personal: String?

  func options(seed: UInt64) -> RuleOptions {
    var options = RuleOptions()
    options.seed = seed
    options.density = density
    options.ridge = ridge
    options.rank = rank
    options.energy = energy
    options.hostile = hostile
    options.keep = keep
    options.trim = trim
    options.clipNorm = clipNorm
    return options
  }

  /// The rule, after a look at where the residual goes.
  func entry(_ name: String, adapter: String, report: String?) throws -> RuleCatalog.Entry {
    let entry = try RuleCatalog.entry(name)
    if entry.options.contains(.residual) != (residual != nil) {
      throw UsageError(
        residual == nil
          ? "rule \"\(name)\" needs --residual FILE, without it the result is that of fedavg"
          : "rule \"\(name)\" has no --residual")
    }
    if let residual, residual == "-" || residual == adapter || residual == report {
      throw UsageError("--residual needs a place of its own")
    }
    if let exact, residual == nil || ["-", adapter, report, residual].contains(exact) {
      throw UsageError("--exact goes with --residual, at a place of its own")
    }
    if personal != nil, !entry.options.contains(.personal) {
      throw AggregationError.unusedOption(.personal, rule: name)
    }
    return entry
  }

  /// Writes the adapters of `--personal`.
  func writePersonal(_ outcome: AggregationJob.Outcome, of rule: RuleCatalog.Entry) throws {
    guard let personal else { return }
    let folder = personal.hasSuffix("/") && personal != "/" ? String(personal.dropLast()) : personal
    try FileSystem.createDirectory(folder)
    for (client, adapter) in try PersonalAdapters.make(outcome, of: rule) {
      try AdapterWriter.write(adapter, to: "\(folder)/\(client).safetensors")
    }
  }
}
