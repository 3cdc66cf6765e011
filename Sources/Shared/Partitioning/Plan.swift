// SPDX-License-Identifier: Apache-2.0
package import Randomness

/// A partition and everything needed to judge and repeat it: `plan.json`, described in
/// Documentation/formats/plan.md. Equal inputs, options and seed give equal bytes.
package struct Plan: Sendable {
  package static let version = 1

  /// One input as it was read.
  package struct Input: Sendable, Equatable {
    package let name: String
    /// Size and digest of the unpacked content.
    package let bytes: Int
    package let sha256: String
    package let records: Int
    /// Bad lines that `--skip-invalid` tolerated.
    package let skipped: Int

    package init(name: String, bytes: Int, sha256: String, records: Int, skipped: Int) {
      self.name = name
      self.bytes = bytes
      self.sha256 = sha256
      self.records = records
      self.skipped = skipped
    }
  }

  /// One shard file.
  package struct File: Sendable, Equatable {
    /// The part of the split; nil without one.
    package let split: String?
    package let name: String
    package let records: Int
    /// Known once the file is written.
    package var bytes: Int?
    package var sha256: String?
  }

  package let tool: String
  package let request: PartitionRequest
  package let inputs: [Input]
  /// Records that the clients got.
  package let recordCount: Int
  /// Records that `--keep` left out.
  package let outOfRange: Int
  /// Records that `--sample` left out.
  package let notSampled: Int
  /// Records over `--max-records`.
  package let overMaximum: Int
  /// Nil if a one-pass partition did not look at lengths.
  package let lengthUnit: LengthUnit?
  package let bins: RecordBins
  package let counts: CountMatrix
  package let proportions: [[Double]]?
  package let amounts: Amounts
  /// A row of files a client.
  package internal(set) var files: [[File]]
  package let imbalance: Imbalance
  package let moves: [MinimumSize.Move]

  /// The client's name everywhere: its number from 0 with at least three digits.
  package func clientID(_ client: Int) -> String {
    Self.clientID(client, of: request.clients)
  }

  package static func clientID(_ client: Int, of clients: Int) -> String {
    let width = max(3, "\(clients - 1)".count)
    let digits = "\(client)"
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  /// `client-007.train.jsonl`, or `client-007.jsonl` without a split.
  package static func fileName(client: Int, clients: Int, split: String?) -> String {
    "client-\(clientID(client, of: clients))\(split.map { ".\($0)" } ?? "").jsonl"
  }
}

/// What a partition was asked to be.
package struct PartitionRequest: Sendable {
  /// 0 until the records tell how many there are.
  package private(set) var clients: Int
  /// As after `--method`.
  package let methodName: String
  package let method: any Partitioner
  package let alpha: Double
  /// Nil without `--by`.
  package let choice: PropertyChoice?
  package let binning: BinningRule
  package let minimum: Int
  package let split: SplitRule
  package let selection: Selection
  /// The field whose equal values keep records together; nil without one.
  package let groupBy: String?
  /// Records that a client gets at most; nil means all.
  package let maximum: Int?
  package let participation: Participation?
  /// Each record by itself and in one pass, not all together.
  package let usesHash: Bool
  package let seed: Seed
  private let clientsAsked: Int?

  package static let clientLimit = 1_000_000
  package static let defaultAlpha = 0.5

  /// Checks that method, property and bins fit together.
  ///
  /// - Parameter clients: nil if the method knows the number.
  /// - Throws: ``PartitionError`` of the category `usage`.
  package init(
    clients: Int?, method methodName: String, alpha: Double = Self.defaultAlpha,
    by: String? = nil, bins: String? = nil, minimum: Int = 1, maximum: Int? = nil,
    split: String? = nil, selection: Selection = .all, groupBy: String? = nil,
    participation: Participation? = nil, usesHash: Bool = false, seed: Seed
  ) throws(PartitionError) {
    self.methodName = methodName
    self.alpha = alpha
    self.minimum = minimum
    self.maximum = maximum
    self.selection = selection
    self.groupBy = groupBy
    self.participation = participation
    self.usesHash = usesHash
    self.seed = seed
    clientsAsked = clients
    self.clients = clients ?? 0
    method = try PartitionerCatalog.partitioner(methodName, alpha: alpha)
    let property = try method.property(given: by)
    if let property { choice = try PropertyChoice(parsing: property) } else { choice = nil }
    let given = try bins.map { (text) throws(PartitionError) in try BinningRule(parsing: text) }
    binning = method.binning(given: given, axes: choice?.axes.count ?? 0)
    if let split { self.split = try SplitRule(parsing: split) } else { self.split = .none }
    try checkNumbers()
    try checkProperty()
    try checkBins()
    if usesHash { try checkHash() }
  }

  /// What one pass cannot promise.
  private func checkHash() throws(PartitionError) {
    func refuse(_ option: String, _ value: String) -> PartitionError {
      .invalidOption(option, value: value, expected: "nothing with --assign hash")
    }
    if minimum > 1 { throw refuse("--min-records", "\(minimum)") }
    if let maximum { throw refuse("--max-records", "\(maximum)") }
    if let sample = selection.sample { throw refuse("--sample", "\(sample)") }
    if let groupBy, !(choice?.axes.isEmpty ?? true) {
      throw .invalidOption(
        "--group-by", value: groupBy,
        expected: "no --by with --assign hash: records of one group may be in different bins")
    }
    switch type(of: method).need {
    case .labels, .ranking, .pair: throw .needsPlan("--method \(methodName)")
    case .none, .bins, .amount, .anything: break
    }
    if type(of: method).need == .amount, !(choice?.axes.isEmpty ?? true) {
      throw .needsPlan("--method \(methodName) --by \(choice?.name ?? "")")
    }
  }

  private func checkNumbers() throws(PartitionError) {
    if let clientsAsked {
      guard (1...Self.clientLimit).contains(clientsAsked) else {
        throw .invalidOption(
          "--clients", value: "\(clientsAsked)", expected: "1 to \(Self.clientLimit)")
      }
      let (files, overflow) = clientsAsked.multipliedReportingOverflow(by: split.parts.count)
      if overflow || files > Self.clientLimit {
        throw .invalidOption(
          "--clients", value: "\(clientsAsked)", expected: "at most \(Self.clientLimit) files in all")
      }
    } else {
      switch type(of: method).need {
      case .labels, .anything: break
      default: throw .invalidOption("--clients", value: "", expected: "a number of clients")
      }
    }
    guard minimum >= 0 else {
      throw .invalidOption("--min-records", value: "\(minimum)", expected: "0 or more")
    }
    if let maximum {
      guard maximum >= max(1, minimum) else {
        throw .invalidOption(
          "--max-records", value: "\(maximum)", expected: "at least 1 and --min-records")
      }
      if groupBy != nil {
        throw .invalidOption("--max-records", value: "\(maximum)", expected: "no --group-by beside it")
      }
    }
  }

  /// The request with the number of clients that the records give.
  ///
  /// - Parameter binSizes: records of each bin.
  func resolved(binSizes: [Int]) throws(PartitionError) -> PartitionRequest {
    var result = self
    result.clients = try method.clientCount(
      asked: clientsAsked, binSizes: binSizes, minimum: minimum)
    guard (1...Self.clientLimit).contains(result.clients * max(1, split.parts.count)) else {
      throw .invalidOption(
        "--clients", value: "\(result.clients)", expected: "at most \(Self.clientLimit) files in all")
    }
    return result
  }

  /// How each axis of the property is cut.
  func rule(for axis: Axis) -> BinningRule { method.rule(for: axis, binning) }

  private func checkProperty() throws(PartitionError) {
    let method = type(of: method)
    let axes = choice?.axes ?? []
    switch method.need {
    case .none: break
    case .bins:
      if axes.isEmpty {
        throw .missingProperty(
          method: method.name,
          expected: "length, tokens, sentences, quality, score, label:FIELD or joint:A,B")
      }
    case .ranking:
      if axes.isEmpty {
        throw .missingProperty(
          method: method.name, expected: "length, tokens, sentences, quality, score or label:FIELD")
      }
      if axes.count > 1 { throw unsuitable(expected: "one property") }
    case .labels:
      if axes.isEmpty { throw .missingProperty(method: method.name, expected: "label:FIELD") }
      if axes.count > 1 || !axes[0].isLabel { throw unsuitable(expected: "label:FIELD") }
    case .pair:
      if axes.count != 2 { throw unsuitable(expected: "joint:A,B") }
    case .anything: break
    case .amount:
      if axes.contains(where: { !$0.isCount }) || axes.count > 1 {
        throw unsuitable(expected: "records, tokens, length or sentences")
      }
    }
  }

  private func checkBins() throws(PartitionError) {
    let axes = (choice?.axes ?? []).filter { !$0.isLabel }
    switch binning {
    case .quantile: break
    case .log2:
      if axes.contains(where: { !$0.isCount }) {
        throw .unsuitableProperty(
          method: "--bins log2", property: choice?.name ?? "", expected: "--by length or sentences")
      }
    case .edges:
      if axes.count > 1 {
        throw .unsuitableProperty(
          method: "--bins edges", property: choice?.name ?? "", expected: "--by with one property")
      }
    }
  }

  private func unsuitable(expected: String) -> PartitionError {
    .unsuitableProperty(
      method: "--method \(methodName)", property: choice?.name ?? "", expected: "--by \(expected)")
  }

  /// The numbers that the method ranks or shares out; nil if it does neither.
  func values(of table: RecordTable) -> [Double]? {
    switch type(of: method).need {
    case .none, .bins, .labels, .pair, .anything: nil
    case .ranking, .amount: choice?.axes.first.flatMap { table.values(of: $0) }
    }
  }
}

extension Plan {
  /// What a plan is made of before any file is written.
  package struct Outcome: Sendable {
    package let plan: Plan
    /// The client of each record that was read; -1 for those that were not selected.
    package internal(set) var clientOf: [Int32]
    /// The part of the split of each record.
    package internal(set) var partOf: [UInt8]
  }

  /// Divides the records of a finished table.
  ///
  /// - Throws: ``PartitionError``.
  package static func make(
    _ asked: PartitionRequest, table all: RecordTable, inputs: [Input], tool: String
  ) throws(PartitionError) -> Outcome {
    let chosen = asked.selection.choose(from: all, seed: asked.seed)
    var taken = chosen.records
    var table = taken.count == all.count ? all : all.selecting(taken)
    try MinimumSize.check(
      records: table.count, clients: max(1, asked.clients),
      minimum: table.count == 0 ? 1 : asked.minimum)
    var bins =
      try asked.choice.map { (choice) throws(PartitionError) in
        try RecordBins(table: table, axes: choice.axes, rule: asked.rule, clients: max(1, asked.clients))
      } ?? RecordBins(recordCount: table.count)
    let request = try asked.resolved(binSizes: bins.sizes)
    let clients = request.clients
    try CountMatrix.check(bins: bins.count, clients: clients)
    let problem = PartitionProblem(
      recordCount: table.count, clients: clients, bins: bins, values: request.values(of: table),
      minimum: request.minimum, seed: request.seed)
    let division = request.method.divide(problem)
    var clientOf = division.clientOf
    let groups = try groups(request, table)
    if let groups {
      clientOf = WholeGroups.deal(
        clientOf, groups: groups, bins: bins, clients: clients, seed: request.seed)
    }
    if let maximum = request.maximum {
      let kept = MaximumSize.kept(clientOf, clients: clients, maximum: maximum, seed: request.seed)
      if kept.count < clientOf.count {
        (table, bins) = (table.selecting(kept), bins.selecting(kept))
        (taken, clientOf) = (kept.map { taken[$0] }, kept.map { clientOf[$0] })
      }
    }
    let moves: [MinimumSize.Move]
    if let groups {
      moves = try WholeGroups.repair(
        &clientOf, groups: groups, bins: bins, clients: clients, minimum: request.minimum)
    } else {
      moves = try MinimumSize.repair(
        &clientOf, bins: bins, clients: clients, minimum: request.minimum, seed: request.seed)
    }
    let partOf = request.split.assign(
      clientOf: clientOf, clients: clients, groups: inseparable(table), seed: request.seed)
    let plan = Plan(
      tool: tool, request: request, inputs: inputs, recordCount: table.count,
      outOfRange: chosen.outOfRange, notSampled: chosen.notSampled,
      overMaximum: chosen.records.count - taken.count, lengthUnit: table.lengthUnit ?? .words,
      bins: bins,
      counts: CountMatrix(
        clients: clients, bins: bins.count, clientOf: clientOf, binOf: bins.binOf),
      proportions: division.proportions,
      amounts: Amounts(table: table, clientOf: clientOf, clients: clients),
      files: files(request, clientOf: clientOf, partOf: partOf),
      imbalance: try Imbalance(table: table, clientOf: clientOf, clients: clients), moves: moves)
    var outcome = Outcome(
      plan: plan, clientOf: [Int32](repeating: -1, count: all.count),
      partOf: [UInt8](repeating: 0, count: all.count))
    for (place, record) in taken.enumerated() {
      outcome.clientOf[record] = clientOf[place]
      outcome.partOf[record] = partOf[place]
    }
    return outcome
  }

  /// The groups that `--group-by` asks for.
  private static func groups(
    _ request: PartitionRequest, _ table: RecordTable
  ) throws(PartitionError) -> RecordGroups? {
    guard let field = request.groupBy, let names = table.groupNames else { return nil }
    if table.count > 0, !names.contains(where: { $0 != 0 }) { throw .noGroups(field: field) }
    return RecordGroups(recordCount: table.count, names: [names])
  }

  /// Records that have to be in the same part of a split: groups and near-duplicates; nil if none.
  private static func inseparable(_ table: RecordTable) -> RecordGroups? {
    let names = [table.groupNames, table.clusterNames].compactMap { $0 }
    return names.isEmpty ? nil : RecordGroups(recordCount: table.count, names: names)
  }

  private static func files(
    _ request: PartitionRequest, clientOf: [Int32], partOf: [UInt8]
  ) -> [[File]] {
    let names: [String?] =
      request.split.parts.isEmpty ? [nil] : request.split.parts.map { $0.name }
    var counts = CountMatrix(clients: request.clients, bins: names.count)
    for (client, part) in zip(clientOf, partOf) { counts[Int(client), Int(part)] += 1 }
    return (0..<request.clients).map { client in
      names.enumerated().map { part, name in
        File(
          split: name, name: fileName(client: client, clients: request.clients, split: name),
          records: counts[client, part])
      }
    }
  }
}
