// SPDX-License-Identifier: Apache-2.0
import Examples
import Privacy
import Randomness

/// Record-level differential privacy of a run (DP-SGD: Abadi et al. 2016,
/// https://arxiv.org/abs/1607.00133): each step takes every record with the same probability q = m/N,
/// cuts each record's gradient over all trained factors together to the norm C, adds them up over the
/// fixed denominator m, and adds normal noise of z C/m to every value.
///
/// The guarantee holds for one record more or less, whatever its length. The number of records N is
/// taken as known to all. Records and noise are drawn from streams of Philox keyed by ``secret``, the
/// settings and the data of the run: whoever knows the secret can take the noise away, and attacks on
/// the low bits of floating-point noise (Mironov 2012) are not guarded against.
package struct RecordPrivacy: Sendable, Equatable {
  /// C.
  package let clipNorm: Double
  /// z.
  package let noise: Double
  package let delta: Double
  /// m: what a step takes on average, and the denominator of every step.
  package let expectedRecords: Int
  /// N.
  package let records: Int
  /// Runs over these records so far, this one included; all are taken to be as long as this one.
  package let rounds: Int
  let secret: String
  /// Makes a stream of random numbers that only who knows the secret can draw: a part of its name.
  package var secretName: String { "secret-\(secret)" }

  /// - Parameter secret: at least 16 bytes.
  /// - Throws: ``TrainingError/invalidPrivacy(option:expected:)``.
  package init(
    clipNorm: Double, noise: Double, delta: Double, expectedRecords: Int, records: Int,
    rounds: Int, secret: [UInt8]
  ) throws(TrainingError) {
    func demand(_ isValid: Bool, _ option: String, _ expected: String) throws(TrainingError) {
      if !isValid { throw .invalidPrivacy(option: option, expected: expected) }
    }
    try demand(clipNorm > 0 && clipNorm.isFinite, "dp-clip", "a finite number above 0")
    try demand(noise > 0 && noise.isFinite, "dp-noise", "a finite number above 0")
    try demand(delta > 0 && delta < 1, "dp-delta", "a number in (0, 1)")
    try demand(rounds >= 1, "dp-rounds", "1 or more")
    try demand(secret.count >= 16, "dp-secret", "a file of 16 bytes or more")
    try demand(
      expectedRecords >= 1 && expectedRecords <= records, "batch-records",
      "1 to the number of records, \(records), with --dp")
    self.clipNorm = clipNorm
    self.noise = noise
    self.delta = delta
    self.expectedRecords = expectedRecords
    self.records = records
    self.rounds = rounds
    self.secret = secret.map { byte in
      String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
  }

  /// q: a record's probability to be in a step.
  package var rate: Double { Double(expectedRecords) / Double(records) }
  /// Of the noise on each value of a step's mean gradient.
  package var deviation: Double { noise * clipNorm / Double(expectedRecords) }

  /// Steps in which a record is expected `epochs` times.
  func steps(epochs: Int) -> Int { Int((Double(epochs) / rate).rounded(.up)) }

  /// The records of each step, in the order of the file. Depends on the data, so that no two sets of
  /// records draw alike.
  func sample(
    _ set: ExampleSet, steps: Int, seed: Seed, streamPath: [String]
  ) -> [[Int]] {
    let path = ["train", "sample", secret] + streamPath + [TrainingPlan.digest(set)]
    return (0..<steps).map { step in
      var draws = seed.stream(path: path + ["step-\(step)"])
      return set.examples.indices.filter { _ in draws.uniform() < rate }
    }
  }

  /// What a run of so many steps, and those before it, give away.
  package struct Guarantee: Sendable, Equatable {
    package let privacy: RecordPrivacy
    package let epsilon: Double
    package let order: Double
    package let steps: Int

    /// For the metadata and for people.
    package var text: String {
      "record-level, epsilon \(RecordPrivacy.short(epsilon)) at delta \(privacy.delta) after "
        + "\(steps) steps at rate \(RecordPrivacy.short(privacy.rate)): clip "
        + "\(RecordPrivacy.short(privacy.clipNorm)), noise multiplier \(privacy.noise), "
        + "\(privacy.expectedRecords) of \(privacy.records) records expected a step"
    }
  }

  /// - Parameter steps: of this run.
  package func guarantee(steps: Int) -> Guarantee {
    let (all, overflow) = steps.multipliedReportingOverflow(by: rounds)
    let total = overflow ? Int.max : all
    let (epsilon, order) = PrivacyAccountant(rate: rate, noise: noise, rounds: total)
      .epsilon(delta: delta)
    return Guarantee(privacy: self, epsilon: epsilon, order: order, steps: total)
  }

  /// Six significant digits are plenty.
  private static func short(_ value: Double) -> String {
    guard value.isFinite, value > 0 else { return "\(value)" }
    var scale = 1.0
    while value * scale < 1e5, scale < 1e12 { scale *= 10 }
    return "\((value * scale).rounded() / scale)"
  }
}
