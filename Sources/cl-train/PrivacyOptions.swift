// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CommandSupport
import Examples
import Streams
import Training

/// Options of record-level privacy.
struct PrivacyOptions: ParsableArguments {
  @Flag(
    help: """
      Record-level privacy (DP-SGD): each step draws records by chance, --batch-records on average, cuts each \
      record's gradient and adds noise.
      """)
  var dp = false

  @Option(help: "Its noise multiplier: standard deviation over --dp-clip.")
  var dpNoise: Double?

  @Option(help: "Longest gradient of a record (1).")
  var dpClip: Double?

  @Option(help: "Its delta (1e-5).")
  var dpDelta: Double?

  @Option(help: "Runs over the same records so far, this one included (the round, at least 1).")
  var dpRounds: Int?

  @Option(help: "A file of 16 bytes or more that keys draws and noise; keep it from whoever sees the result.")
  var dpSecret: String?

  @Flag(help: "Allow noise on both factors, though their product squares it.")
  var dpBothFactors = false

  /// Refuses what would break the guarantee, and what it has no use for.
  func check(_ loop: LoopOptions, _ adapter: AdapterOptions) throws {
    guard dp else {
      let isUsed =
        dpNoise != nil || dpClip != nil || dpDelta != nil || dpRounds != nil || dpSecret != nil
        || dpBothFactors
      if isUsed { throw UsageError("--dp-… need --dp") }
      return
    }
    if dpNoise == nil || dpSecret == nil {
      throw UsageError(
        "--dp needs --dp-noise and --dp-secret",
        hint: "head -c 32 /dev/urandom > secret makes a secret")
    }
    if loop.batchRecords == nil {
      throw UsageError(
        "--dp needs --batch-records: what a step takes must not depend on the records' lengths")
    }
    if loop.steps == 0 { throw UsageError("--dp and --steps 0 exclude each other: nothing is read") }
    if loop.order != .shuffled {
      throw UsageError("--dp and --order \(loop.order.rawValue) exclude each other: records are drawn by chance")
    }
    try checkFactors(isDecomposed: adapter.dora, adapter)
  }

  /// Two noisy factors are multiplied with one another; so are DoRA's lengths with the factors.
  func checkFactors(isDecomposed: Bool, _ adapter: AdapterOptions) throws {
    if !dp || dpBothFactors { return }
    if adapter.freeze == nil || isDecomposed {
      throw UsageError(
        "--dp: noise on \(isDecomposed ? "a factor and DoRA's lengths" : "both factors") would be multiplied with noise",
        hint: isDecomposed
          ? "train plain LoRA, or give --dp-both-factors" : "train one (--freeze A), or give --dp-both-factors")
    }
  }

  /// The settings for so many records; nil without `--dp`.
  func settings(records: Int, expected: Int?, round: Int) throws -> RecordPrivacy? {
    guard dp, let dpNoise, let dpSecret, let expected, records > 0 else { return nil }
    return try RecordPrivacy(
      clipNorm: dpClip ?? 1, noise: dpNoise, delta: dpDelta ?? 1e-5, expectedRecords: expected,
      records: records, rounds: dpRounds ?? max(1, round),
      secret: try InputSource(path: dpSecret).readAll())
  }
}
