// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute
package import Privacy
import Randomness

/// Client-level differential privacy of one round (DP-FedAvg: McMahan et al. 2018,
/// https://arxiv.org/abs/1710.06963): each client's change of all trained factors together is cut to the
/// norm C, the changes are added with weights that do not depend on data, over a fixed denominator, and
/// every value gets normal noise of z C max wᵢ, since one client moves the sum by at most C max wᵢ.
///
/// The guarantee holds for adding or removing one client that takes part in each round by chance with
/// probability ``rate``. Noise on both factors would enter the update as a product of noises, so only
/// rules that train one factor are taken, unless ``allowsBothFactors``.
///
/// The noise is a stream of Philox keyed by ``secret``, float32: whoever knows the secret can take it
/// away, and attacks on the low bits of floating-point noise (Mironov 2012) are not guarded against.
package struct ClientPrivacy: Sendable {
  /// C of the first round; of all rounds where it does not adapt.
  package var clipNorm: Double
  /// z.
  package var noise: Double
  package var delta: Double
  /// Probability to take part in a round.
  package var rate: Double
  /// Rounds so far, this one included; nil takes the clients' round.
  package var rounds: Int?
  /// The fixed denominator: how many clients a round is expected to have; nil takes those offered.
  package var clients: Int?
  package var allowsBothFactors: Bool
  package var adaptive: AdaptiveClip?
  /// At least 16 bytes.
  package var secret: [UInt8]

  package init(
    clipNorm: Double, noise: Double, delta: Double = 1e-5, rate: Double = 1, rounds: Int? = nil,
    clients: Int? = nil, allowsBothFactors: Bool = false, adaptive: AdaptiveClip? = nil,
    secret: [UInt8]
  ) throws(AggregationError) {
    func demand(_ isValid: Bool, _ option: String, _ expected: String) throws(AggregationError) {
      if !isValid { throw .invalidShaping(option: option, expected: expected) }
    }
    try demand(clipNorm > 0 && clipNorm.isFinite, "dp-clip", "a finite number above 0")
    try demand(noise > 0 && noise.isFinite, "dp-noise", "a finite number above 0")
    try demand(delta > 0 && delta < 1, "dp-delta", "a number in (0, 1)")
    try demand(rate > 0 && rate <= 1, "dp-rate", "a number in (0, 1]")
    try demand((rounds ?? 1) >= 1, "dp-rounds", "1 or more")
    try demand((clients ?? 1) >= 1, "dp-clients", "1 or more")
    try demand(secret.count >= 16, "dp-secret", "a file of 16 bytes or more")
    self.clipNorm = clipNorm
    self.noise = noise
    self.delta = delta
    self.rate = rate
    self.rounds = rounds
    self.clients = clients
    self.allowsBothFactors = allowsBothFactors
    self.adaptive = adaptive
    self.secret = secret
  }

  /// What was done and what it guarantees.
  package struct Guarantee: Sendable, Equatable {
    package let clipNorm: Double
    /// C of the next round.
    package let nextClipNorm: Double
    package let noise: Double
    /// Of the noise on each value.
    package let deviation: Double
    package let epsilon: Double
    package let order: Double
    package let delta: Double
    package let rate: Double
    package let rounds: Int
    package let clients: Int

    /// For the metadata and for people.
    package var text: String {
      "client-level, epsilon \(Self.short(epsilon)) at delta \(delta) after \(rounds) rounds "
        + "at rate \(rate): clip \(Self.short(clipNorm)), noise multiplier \(noise), "
        + "\(clients) clients expected"
    }

    /// Six significant digits are plenty.
    static func short(_ value: Double) -> String {
      guard value.isFinite, value > 0 else { return "\(value)" }
      var scale = 1.0
      while value * scale < 1e5, scale < 1e12 { scale *= 10 }
      return "\((value * scale).rounded() / scale)"
    }
  }

  /// The noisy mean of a round's changes, added to the parent.
  ///
  /// - Parameters:
  ///   - offered: clients that sent an adapter, accepted or not.
  ///   - trained: the factors that change; the others are the parent's.
  ///   - weights: nil: each client counts 1/m, m the fixed denominator; else data-independent shares.
  func aggregate(
    _ round: AggregationRound, parent: AdapterFile, offered: Int, trained: Set<LoRAFactor>,
    weights: [Double]?, on loop: ParallelFor
  ) throws(AggregationError) -> (adapter: Adapter, guarantee: Guarantee) {
    let expected = clients ?? offered
    let shares = weights ?? round.clients.map { _ in 1 / Double(expected) }
    var multiplier = noise
    if adaptive != nil {
      guard let updates = AdaptiveClip.updateNoise(noise, clients: expected) else {
        throw .invalidShaping(
          option: "dp-adaptive",
          expected: "more than \(Int(10 * noise)) clients at this noise, found \(expected)")
      }
      multiplier = updates
    }
    let fold = FactorFold(round, parent: parent)
    guard fold.keepsScale else { throw .otherScale(path: parent.path) }
    let norms = Self.norms(round, parent: parent, trained: trained, on: loop)
    let coefficients = zip(shares, norms).map { $0 * ($1 > clipNorm ? clipNorm / $1 : 1) }
    let mean = fold.adapter(round, parent: parent, coefficients, on: loop)
    let deviation = multiplier * clipNorm * (shares.max() ?? 0)
    let context = noiseContext(round, coefficients)
    var result = mean
    for (index, module) in mean.modules.enumerated() {
      let original = parent.modules[index]
      func factor(_ values: [Float], _ factor: LoRAFactor) -> [Float] {
        guard trained.contains(factor) else {
          return ClientFactors.floats(factor == .a ? original.loraA : original.loraB)
        }
        return noisy(
          values, deviation, context + [AdapterNaming.tensorName(module.path, factor)])
      }
      result.setFactors(
        index, loraA: factor(module.loraA, .a), loraB: factor(module.loraB, .b))
    }
    var next = clipNorm
    if let adaptive {
      var draws = Seed(0).stream(path: context + ["clip"])
      next = adaptive.next(
        clipNorm, unclipped: norms.filter { $0 <= clipNorm }.count, clients: expected,
        draw: draws.normal())
    }
    let rounds = rounds ?? max(1, round.clients.compactMap { $0.file.provenance?.round }.max() ?? 1)
    let (epsilon, order) = PrivacyAccountant(rate: rate, noise: noise, rounds: rounds)
      .epsilon(delta: delta)
    return (
      result,
      Guarantee(
        clipNorm: clipNorm, nextClipNorm: next, noise: noise, deviation: deviation,
        epsilon: epsilon, order: order, delta: delta, rate: rate, rounds: rounds,
        clients: expected)
    )
  }

  /// Over all trained factors together.
  private static func norms(
    _ round: AggregationRound, parent: AdapterFile, trained: Set<LoRAFactor>, on loop: ParallelFor
  ) -> [Double] {
    loop.map(round.clients.count) { client in
      var sum = 0.0
      for (module, start) in zip(round.clients[client].file.modules, parent.modules) {
        for (factor, view, origin) in [
          (LoRAFactor.a, module.loraA, start.loraA), (.b, module.loraB, start.loraB),
        ] where trained.contains(factor) {
          for (x, y) in zip(ClientFactors.values(view), ClientFactors.values(origin)) {
            sum += (x - y) * (x - y)
          }
        }
      }
      return sum.squareRoot()
    }
  }

  /// The same inputs draw the same noise; other inputs never do, so that no two results differ by data
  /// alone.
  private func noiseContext(_ round: AggregationRound, _ coefficients: [Double]) -> [String] {
    let hexadecimal = secret.map { byte in
      String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
    return ["aggregate", "privacy", hexadecimal]
      + zip(round.clients, coefficients).map { "\($0.digest ?? "") \($1.bitPattern)" }
  }

  private func noisy(_ values: [Float], _ deviation: Double, _ path: [String]) -> [Float] {
    var draws = Seed(0).stream(path: path)
    var noise = [Float](repeating: 0, count: values.count)
    noise.withUnsafeMutableBufferPointer {
      draws.fillNormal($0, standardDeviation: deviation)
    }
    return zip(values, noise).map { $0 + $1 }
  }
}
