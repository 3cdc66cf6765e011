// SPDX-License-Identifier: Apache-2.0
package import Adapters
import Compute
import Safetensors
import Streams

/// The whole of one aggregation: checks, weights, rule, provenance.
package struct AggregationJob: Sendable {
  package let rule: RuleCatalog.Entry
  package let weights: WeightChoice
  package let shaping: WeightShaping
  /// How many adapters must be accepted; nil asks for all.
  package let minimumClients: Int?
  /// How many may be refused where `minimumClients` says nothing.
  package let toleratedRefusals: Int
  /// Program and version for the result's metadata.
  package let tool: String
  package let options: RuleOptions
  /// The adapter that the clients started from, for the rules that ask for it.
  package let parent: AdapterFile?
  /// No bit of the result depends on it.
  package let threads: Int

  /// - Parameter weights: nil takes `records`, or all clients alike where the rule does.
  package init(
    rule: RuleCatalog.Entry, options: RuleOptions = RuleOptions(), weights: WeightChoice? = nil,
    shaping: WeightShaping = WeightShaping(), minimumClients: Int? = nil, toleratedRefusals: Int = 0, parent: AdapterFile? = nil,
    threads: Int = 1, tool: String
  ) throws(AggregationError) {
    _ = try rule.rule(options)
    try shaping.check()
    let asksForWeights = weights != nil && weights != .uniform
    if rule.ignoresWeights, asksForWeights || shaping != WeightShaping() {
      throw .unusedWeights(rule: rule.name)
    }
    if parent != nil, !rule.options.contains(.parent) {
      throw .unusedOption(.parent, rule: rule.name)
    }
    self.rule = rule
    self.options = options
    self.shaping = shaping
    self.parent = parent
    self.threads = threads
    self.weights = weights ?? (rule.ignoresWeights ? .uniform : .records)
    self.minimumClients = minimumClients
    self.toleratedRefusals = toleratedRefusals
    self.tool = tool
  }

  /// What came of it.
  package struct Outcome: Sendable {
    package let round: AggregationRound
    package let refused: [Refusal]
    package let result: RuleResult
    package var adapter: Adapter { result.adapter }
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
    let loop = ParallelFor(threads: threads)
    if rule.traits.contains(.spreadsNonFinite) {
      // A NaN in, a NaN out: the inputs need not be read twice where the result is finite. Whatever
      // else is wrong is found again below, in the order of the full check.
      let candidates = compatible(files, table).accepted
      if candidates.count == files.count, !candidates.isEmpty {
        let outcome = try aggregate(candidates, refused, table, withDigests, on: loop)
        if Self.isFinite(outcome.adapter, on: loop) {
          try checkCount(accepted: candidates.count, refused: refused, onRefusal: onRefusal)
          return outcome
        }
      }
    }
    let (finite, damaged) = Self.finite(files, on: loop)
    let (accepted, conflicting) = compatible(finite, table)
    let refused = refused + damaged + conflicting
    try checkCount(accepted: accepted.count, refused: refused, onRefusal: onRefusal)
    return try aggregate(accepted, refused, table, withDigests, on: loop)
  }

  private func aggregate(
    _ files: [AdapterFile], _ refused: [Refusal], _ table: ClientWeights, _ withDigests: Bool,
    on loop: ParallelFor
  ) throws -> Outcome {
    let clients = Contribution.ordered(files, withDigests: withDigests, on: loop)
    var raw: [Double] = []
    for client in clients { raw.append(try table.weight(of: client.file)) }
    if let parent { try check(parent, against: clients) }
    let shares = try shaping.shares(raw, clients.map { WeightShaping.Claims($0.file) })
    let round = AggregationRound(
      clients: clients, weights: shares, parent: parent)
    var result = try rule.rule(options).aggregate(round, on: loop)
    let names = Set(clients.map(\.file.config.baseModelName))
    if names.count > 1 { result.adapter.config.baseModelName = nil }
    result.adapter.provenance = provenance(of: round)
    result.residual?.provenance = result.adapter.provenance
    result.residual?.config.baseModelName = result.adapter.config.baseModelName
    return Outcome(
      round: round, refused: refused, result: result, warnings: warnings(about: round))
  }

  // MARK: Checks

  private static func finite(
    _ files: [AdapterFile], on loop: ParallelFor
  ) -> (accepted: [AdapterFile], refused: [Refusal]) {
    let errors = loop.map(files.count) { index -> AdapterError? in
      do throws(AdapterError) { try files[index].checkFinite() } catch { return error }
      return nil
    }
    var (accepted, refused): ([AdapterFile], [Refusal]) = ([], [])
    for (file, error) in zip(files, errors) {
      if let error {
        refused.append(Refusal(path: file.path, client: file.provenance?.client, error: error))
      } else {
        accepted.append(file)
      }
    }
    return (accepted, refused)
  }

  private static func isFinite(_ adapter: Adapter, on loop: ParallelFor) -> Bool {
    loop.map(adapter.modules.count) { index in
      let module = adapter.modules[index]
      // One `or` a value keeps the loop in vectors.
      var found: UInt32 = 0
      for values in [module.loraA, module.loraB, module.magnitude ?? []] {
        for value in values { found |= value.bitPattern & 0x7f80_0000 == 0x7f80_0000 ? 1 : 0 }
      }
      return found == 0
    }.allSatisfy { $0 }
  }

  private func compatible(
    _ files: [AdapterFile], _ table: ClientWeights
  ) -> (accepted: [AdapterFile], refused: [Refusal]) {
    let conflicts = Compatibility.errors(
      files, needsEqualRanks: rule.needsEqualRanks,
      averagesMagnitudes: rule.traits.contains(.averagesMagnitudes))
    var (accepted, refused): ([AdapterFile], [Refusal]) = ([], [])
    for (file, conflict) in zip(files, conflicts) {
      do throws(AggregationError) {
        if let conflict { throw conflict }
        _ = try table.weight(of: file)
        try shaping.checkClaims(of: file)
        accepted.append(file)
      } catch {
        refused.append(Refusal(path: file.path, client: file.provenance?.client, error: error))
      }
    }
    return (accepted, refused)
  }

  /// The parent must fit, and be the one that the clients name where they name one.
  private func check(_ parent: AdapterFile, against clients: [Contribution]) throws {
    try parent.checkFinite()
    // The first two of three agree, so that the parent is what does not fit.
    let first = clients[0].file
    let errors = Compatibility.errors(
      [first, first, parent], needsEqualRanks: rule.needsEqualRanks)
    if let error = errors[2] { throw error }
    let digest = parent.digest()
    for client in clients {
      if let claim = client.file.provenance?.parent, claim != digest {
        throw AggregationError.otherParent(
          path: client.file.path, found: claim, expected: digest)
      }
    }
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
    result.weights = weights.name + shaping.suffix
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
