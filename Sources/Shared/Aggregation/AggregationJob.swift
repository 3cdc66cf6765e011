// SPDX-License-Identifier: Apache-2.0
package import Adapters
import Compute

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

  package let server: ServerOptimizer?
  package let trust: TrustBounds
  package let privacy: ClientPrivacy?
  package let secure: SecureAveraging?

  /// - Parameters:
  ///   - weights: nil takes `records`, or all clients alike where the rule or privacy does.
  ///   - server: what is done with the aggregate's change; needs `parent`.
  ///   - privacy: replaces the rule's mean by a noisy one; needs `parent`.
  ///   - secure: replaces the rule's mean by a sum of masked integers.
  package init(
    rule: RuleCatalog.Entry, options: RuleOptions = RuleOptions(), weights: WeightChoice? = nil,
    shaping: WeightShaping = WeightShaping(), minimumClients: Int? = nil,
    toleratedRefusals: Int = 0, parent: AdapterFile? = nil, server: ServerOptimizer? = nil,
    trust: TrustBounds = TrustBounds(), privacy: ClientPrivacy? = nil,
    secure: SecureAveraging? = nil, threads: Int = 1, tool: String
  ) throws(AggregationError) {
    _ = try rule.rule(options)
    try shaping.check()
    let asksForWeights = weights != nil && weights != .uniform
    if rule.ignoresWeights, asksForWeights || shaping != WeightShaping() {
      throw .unusedWeights(rule: rule.name)
    }
    let usesParent =
      rule.options.contains(.parent) || server != nil || privacy != nil || secure != nil
      || trust.maximumNorm != nil
    if parent != nil, !usesParent { throw .unusedOption(.parent, rule: rule.name) }
    self.rule = rule
    self.options = options
    self.shaping = shaping
    self.parent = parent
    self.server = server
    self.trust = trust
    self.privacy = privacy
    self.secure = secure
    self.threads = threads
    self.weights = weights ?? (rule.ignoresWeights || privacy != nil ? .uniform : .records)
    self.minimumClients = minimumClients
    self.toleratedRefusals = toleratedRefusals
    self.tool = tool
    try checkCombinations()
  }

  private func checkCombinations() throws(AggregationError) {
    func refuse(_ isWrong: Bool, _ first: String, _ second: String, _ reason: String)
      throws(AggregationError)
    {
      if isWrong { throw .illegalCombination(first, second, reason: reason) }
    }
    let name = "rule \"\(rule.name)\""
    let isLinear = rule.traits.contains(.linear)
    if server != nil {
      try refuse(
        !rule.traits.contains(.factorwise) || rule.options.contains(.residual),
        "--server-optimizer", name, "its result does not have the parent's factors")
      if parent == nil { throw .missingParent(needs: "--server-optimizer") }
    }
    if privacy != nil {
      try refuse(!isLinear, "--dp-clip", name, "its noise is known for weighted means only")
      try refuse(
        !(weights == .uniform || weights.isFile) || shaping != WeightShaping(), "--dp-clip",
        "--weights of the clients' own numbers", "weights must not depend on data")
      try refuse(
        secure != nil, "--dp-clip", "--secure-aggregation",
        "the server cannot cut what it does not see")
      if parent == nil { throw .missingParent(needs: "--dp-clip") }
    }
    if secure != nil {
      try refuse(
        !isLinear, "--secure-aggregation", name, "it needs more than the sum of what clients send")
      try refuse(
        rule.traits.contains(.keepsOwnB) || trust.maximumNorm != nil, "--secure-aggregation",
        rule.traits.contains(.keepsOwnB) ? name : "--max-norm",
        "the server sees no single client's adapter")
    }
  }

  /// What came of it.
  package struct Outcome: Sendable {
    package let round: AggregationRound
    package let refused: [Refusal]
    package let result: RuleResult
    package var adapter: Adapter { result.adapter }
    /// What the server optimizer goes on from; nil without one.
    package let serverState: ServerState?
    /// What the noise guarantees; nil without noise.
    package let guarantee: ClientPrivacy.Guarantee?
    /// What was played through; nil without secure aggregation.
    package let secure: SecureAveraging.Summary?
    /// What the user should know although it stops nothing.
    package let warnings: [String]
  }

  /// Aggregates `files`; `refused` are those that could not even be opened.
  ///
  /// - Parameters:
  ///   - withDigests: take the digest of each adapter, for the report.
  ///   - serverState: of the round before; nil at the start.
  ///   - onRefusal: told of each refused adapter that does not stop the round.
  /// - Throws: the error of the first refused adapter if it may not be left out;
  ///   ``AggregationError/tooFewClients(accepted:required:)``; what weights and rule throw.
  package func run(
    _ files: [AdapterFile], refused: [Refusal] = [], withDigests: Bool,
    serverState: ServerState? = nil, onRefusal: (Refusal) -> Void = { _ in }
  ) throws -> Outcome {
    if files.isEmpty && refused.isEmpty { throw AggregationError.noAdapters }
    let table = try ClientWeights(weights)
    let loop = ParallelFor(threads: threads)
    let offered = files.count + refused.count
    func aggregate(_ accepted: [AdapterFile], _ refused: [Refusal]) throws -> Outcome {
      try self.aggregate(
        accepted, refused, table, withDigests, serverState, offered: offered, on: loop)
    }
    if rule.traits.contains(.spreadsNonFinite), privacy == nil, secure == nil {
      // A NaN in, a NaN out: the inputs need not be read twice where the result is finite. Whatever
      // else is wrong is found again below, in the order of the full check.
      let candidates = compatible(files, table, on: loop).accepted
      if candidates.count == files.count, !candidates.isEmpty {
        let outcome = try aggregate(candidates, refused)
        if Self.firstInfinite(outcome.adapter, on: loop) == nil {
          try checkCount(accepted: candidates.count, refused: refused, onRefusal: onRefusal)
          return outcome
        }
      }
    }
    let (finite, damaged) = Self.finite(files, on: loop)
    let (accepted, conflicting) = compatible(finite, table, on: loop)
    let refused = refused + damaged + conflicting
    try checkCount(accepted: accepted.count, refused: refused, onRefusal: onRefusal)
    let outcome = try aggregate(accepted, refused)
    for adapter in [outcome.adapter, outcome.result.residual] {
      if let adapter, let module = Self.firstInfinite(adapter, on: loop) {
        throw AggregationError.infiniteResult(module: module)
      }
    }
    return outcome
  }

  private func aggregate(
    _ files: [AdapterFile], _ refused: [Refusal], _ table: ClientWeights, _ withDigests: Bool,
    _ serverState: ServerState?, offered: Int, on loop: ParallelFor
  ) throws -> Outcome {
    let clients = Contribution.ordered(
      files, withDigests: withDigests || privacy != nil, on: loop)
    var raw: [Double] = []
    for client in clients { raw.append(try table.weight(of: client.file)) }
    if let parent { try check(parent, against: clients) }
    let shares = try shaping.shares(raw, clients.map { WeightShaping.Claims($0.file) })
    let round = AggregationRound(clients: clients, weights: shares, parent: parent)
    let trained = trainedFactors(round)
    var guarantee: ClientPrivacy.Guarantee?
    var summary: SecureAveraging.Summary?
    var result: RuleResult
    if let privacy, let parent {
      if rule.traits.contains(.commonFactor), let factor = trained.first, trained.count == 1 {
        try CommonFactor.check(
          clients.map(\.file) + [parent], common: factor == .a ? .b : .a, on: loop)
      }
      if trained.count > 1, !privacy.allowsBothFactors {
        throw AggregationError.illegalCombination(
          "--dp-clip", "training of both factors",
          reason: "noise would be multiplied with noise; train one (--freeze), or --dp-both-factors")
      }
      var fixed: [Double]?
      if weights.isFile {
        fixed = try clients.map { try table.fixedShare(of: $0.file) ?? 0 }
      }
      let (adapter, found) = try privacy.aggregate(
        round, parent: parent, offered: offered, trained: trained, weights: fixed, on: loop)
      result = RuleResult(adapter)
      guarantee = found
    } else if let secure {
      let (adapter, found) = try secure.aggregate(round, on: loop)
      result = RuleResult(adapter)
      summary = found
    } else {
      result = try rule.rule(options).aggregate(round, on: loop)
    }
    var state = server.flatMap { server in
      parent.map { serverState ?? ServerState(server, parent: $0) }
    }
    if let parent, state != nil {
      guard FactorFold(round, parent: parent).keepsScale else {
        throw AggregationError.otherScale(path: parent.path)
      }
      state?.step(&result.adapter, parent: parent, trained: trained)
    }
    let names = Set(clients.map(\.file.config.baseModelName))
    if names.count > 1 { result.adapter.config.baseModelName = nil }
    result.adapter.provenance = provenance(of: round)
    result.adapter.provenance?.server = server?.description
    let texts = [guarantee?.text, Self.recordPrivacy(round)?.text].compactMap(\.self)
    result.adapter.provenance?.privacy = texts.isEmpty ? nil : texts.joined(separator: "; ")
    result.residual?.provenance = result.adapter.provenance
    result.residual?.config.baseModelName = result.adapter.config.baseModelName
    return Outcome(
      round: round, refused: refused, result: result, serverState: state, guarantee: guarantee,
      secure: summary, warnings: warnings(about: round, result.adapter))
  }

  /// What the clients changed: both factors where they do not all say the same.
  private func trainedFactors(_ round: AggregationRound) -> Set<LoRAFactor> {
    if rule.name == FrozenA.entry.name { return [.b] }
    let claims = Set(round.clients.map { $0.file.provenance?.trained })
    guard claims.count == 1, let claim = claims.first else { return [.a, .b] }
    return claim == "A" ? [.a] : claim == "B" ? [.b] : [.a, .b]
  }
}
