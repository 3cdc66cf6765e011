// SPDX-License-Identifier: Apache-2.0
import Adapters

extension AggregationJob {
  func provenance(of round: AggregationRound) -> AdapterProvenance {
    let claims = round.clients.map(\.file.provenance)
    func common<Value: Equatable>(_ field: (AdapterProvenance) -> Value?) -> Value? {
      guard let value = claims[0].flatMap(field) else { return nil }
      return claims.allSatisfy { $0.flatMap(field) == value } ? value : nil
    }
    func sum(_ field: (AdapterProvenance) -> Int?) -> Int? {
      claims.reduce(Optional(0)) { total, claim in
        guard let total, let value = claim.flatMap(field) else { return nil }
        let (sum, overflow) = total.addingReportingOverflow(value)
        return overflow ? nil : sum
      }
    }
    var result = AdapterProvenance(tool: tool)
    // Those that name no base were not compared; the others agree.
    result.base = claims.compactMap { $0?.base }.first
    result.parent = common(\.parent)
    result.round = claims.compactMap { $0?.round }.max()
    result.records = sum(\.records)
    result.tokens = sum(\.tokens)
    result.targetTokens = sum(\.targetTokens)
    result.steps = sum(\.steps)
    let qualities = claims.compactMap { $0?.qualityTokens }
    if qualities.count == claims.count { result.qualityTokens = qualities.reduce(0, +) }
    result.trained = common(\.trained) ?? "AB"
    result.rule = rule.name
    result.weights = weights.name + shaping.suffix
    result.clients = round.clients.map { $0.client ?? "" }
    return result
  }

  /// What clients that trained with record-level privacy keep in their aggregate: the weakest of their
  /// guarantees, if each has one. No record stands at two clients, so they do not add up.
  static func recordPrivacy(_ round: AggregationRound) -> PrivacyClaim? {
    let claims = round.clients.map { $0.file.provenance?.privacy.flatMap(PrivacyClaim.init) }
    guard let weakest = PrivacyClaim.weakest(of: claims), weakest.unit == "record" else { return nil }
    return weakest
  }

  func warnings(about round: AggregationRound, _ result: Adapter) -> [String] {
    let claims = round.clients.map(\.file.provenance)
    var warnings: [String] = []
    let unknown = claims.filter { $0?.base == nil }.count
    if unknown > 0 {
      warnings.append(
        "\(unknown) of \(claims.count) adapters do not say which base model they are made for")
    }
    if Set(claims.map { $0?.round }).count > 1 {
      warnings.append("the adapters come from different rounds")
    }
    if rule.needsCommonParent && Set(claims.map { $0?.parent }).count > 1 {
      warnings.append(
        "the clients started from different adapters: \(rule.name) averages A and B apart, "
          + "which then means little")
    }
    var counts: [String: Int] = [:]
    for client in round.clients.compactMap(\.client) { counts[client, default: 0] += 1 }
    for client in counts.keys.sorted() where counts[client, default: 0] > 1 {
      warnings.append("client \"\(client)\" takes part \(counts[client, default: 0]) times")
    }
    if !rule.ignoresWeights, !weights.isFile, claims.count > 2,
      let heaviest = round.weights.indices.max(by: { round.weights[$0] < round.weights[$1] }),
      round.weights[heaviest] > 0.5
    {
      warnings.append(
        "client \"\(round.clients[heaviest].client ?? "")\" has more than half of the weight "
          + "by its own claim; --max-weight bounds that")
    }
    if let parent, parent.digest() == result.digest() {
      warnings.append("the result is the parent, nothing was learnt")
    }
    return warnings
  }
}

extension AggregationJob.Outcome {
  /// What cutting to a rank left out over all modules, and the norm of what was cut; nil where the rule
  /// cuts nothing.
  package var truncation: (error: Double, norm: Double)? {
    guard let errors = result.truncation else { return nil }
    func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    let error = norm(errors)
    let cut = result.residual ?? adapter
    let kept = norm(cut.modules.map { module in
      ClientFactors.sum(of: module, scale: cut.scale(of: module)).squaredNorm().squareRoot()
    })
    return (error, norm([error, kept]))
  }
}
