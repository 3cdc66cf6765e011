// SPDX-License-Identifier: Apache-2.0
import Aggregation
import ArgumentParser
import CommandSupport

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

  @Option(help: "clip: the adapter that the clients started from; its updates are differences to it.")
  var parent: String?

  @Option(help: "fedex: write what the mean leaves out to this file or folder.")
  var residual: String?

  var options: RuleOptions {
    var options = RuleOptions()
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
    return entry
  }
}
