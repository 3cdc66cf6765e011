// SPDX-License-Identifier: Apache-2.0
package import Adapters
import Safetensors
import Streams

/// The whole of one aggregation: checks, weights, rule, provenance.
package struct AggregationJob: Sendable {
  package let rule: RuleCatalog.Entry
  package let weights: WeightChoice
  /// How many adapters must be accepted; nil asks for all.
  package let minimumClients: Int?
  /// How many may be refused where `minimumClients` says nothing.
  package let toleratedRefusals: Int
  /// Program and version for the result's metadata.
  package let tool: String

  package init(
    rule: RuleCatalog.Entry, weights: WeightChoice, minimumClients: Int? = nil,
    toleratedRefusals: Int = 0, tool: String
  ) {
    self.rule = rule
    self.weights = weights
    self.minimumClients = minimumClients
    self.toleratedRefusals = toleratedRefusals
    self.tool = tool
  }

  /// What came of it.
  package struct Outcome: Sendable {
    package let round: AggregationRound
    package let refused: [Refusal]
    package let adapter: Adapter
    /// What the user should know although it stops nothing.
    package let warnings: [String]
  }

  /// Aggregates `files`; `refused` are those that could not even be opened.
  ///
  /// - Parameters:
  ///   - withDigests: take the digest of each adapter, for the report.
  ///   - onRefusal: told of each refused adapter that does not stop the round.
  /// - Throws: the error of the first refused adapter if it may not be left out;
  ///   ``AggregationError/tooFewClients(accepted:required:)``; what weights and rule throw.
  package func run(
    _ files: [AdapterFile], refused: [Refusal] = [], withDigests: Bool,
    onRefusal: (Refusal) -> Void = { _ in }
  ) throws -> Outcome {
    if files.isEmpty && refused.isEmpty { throw AggregationError.noAdapters }
    let table = try ClientWeights(weights)
    var refused = refused
    var accepted: [AdapterFile] = []
    for file in files {
      do {
        try file.checkFinite()
        accepted.append(file)
      } catch {
        refused.append(Refusal(path: file.path, client: file.provenance?.client, error: error))
      }
    }
    let conflicts = Compatibility.errors(accepted, needsEqualRanks: rule.needsEqualRanks)
    var compatible: [AdapterFile] = []
    for (file, conflict) in zip(accepted, conflicts) {
      do {
        if let conflict { throw conflict }
        _ = try table.weight(of: file)
        compatible.append(file)
      } catch let error as AggregationError {
        refused.append(Refusal(path: file.path, client: file.provenance?.client, error: error))
      }
    }
    try checkCount(accepted: compatible.count, refused: refused, onRefusal: onRefusal)
    let clients = Contribution.ordered(compatible, withDigests: withDigests)
    var raw: [Double] = []
    for client in clients { raw.append(try table.weight(of: client.file)) }
    let round = AggregationRound(clients: clients, weights: try ClientWeights.normalized(raw))
    var adapter = try rule.make().aggregate(round)
    adapter.provenance = provenance(of: round)
    let names = Set(clients.map(\.file.config.baseModelName))
    if names.count > 1 { adapter.config.baseModelName = nil }
    return Outcome(
      round: round, refused: refused, adapter: adapter, warnings: warnings(about: round))
  }

  private func checkCount(
    accepted: Int, refused: [Refusal], onRefusal: (Refusal) -> Void
  ) throws {
    if minimumClients == nil, refused.count > toleratedRefusals, let first = refused.first {
      throw first.error
    }
    refused.forEach(onRefusal)
    let required = max(1, minimumClients ?? 1)
    if accepted < required {
      throw AggregationError.tooFewClients(accepted: accepted, required: required)
    }
  }

  // MARK: Provenance

  private func provenance(of round: AggregationRound) -> AdapterProvenance {
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
    result.weights = weights.name
    result.clients = round.clients.map { $0.client ?? "" }
    return result
  }

  private func warnings(about round: AggregationRound) -> [String] {
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
    return warnings
  }
}
