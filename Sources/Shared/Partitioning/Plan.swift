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
  package let lengthUnit: LengthUnit
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
  package let clients: Int
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
  package let seed: Seed

  package static let clientLimit = 1_000_000
  package static let defaultAlpha = 0.5

  /// Checks that method, property and bins fit together.
  ///
  /// - Throws: ``PartitionError`` of the category `usage`.
  package init(
    clients: Int, method methodName: String, alpha: Double = Self.defaultAlpha,
    by: String? = nil, bins: String? = nil, minimum: Int = 1, split: String? = nil,
    selection: Selection = .all, seed: Seed
  ) throws(PartitionError) {
    guard (1...Self.clientLimit).contains(clients) else {
      throw .invalidOption("--clients", value: "\(clients)", expected: "1 to \(Self.clientLimit)")
    }
    guard minimum >= 0 else {
      throw .invalidOption("--min-records", value: "\(minimum)", expected: "0 or more")
    }
    self.clients = clients
    self.methodName = methodName
    self.alpha = alpha
    self.minimum = minimum
    self.selection = selection
    self.seed = seed
    method = try PartitionerCatalog.partitioner(methodName, alpha: alpha)
    if let by { choice = try PropertyChoice(parsing: by) } else { choice = nil }
    let isJoint = (choice?.axes.count ?? 0) > 1
    if let bins {
      binning = try BinningRule(parsing: bins)
    } else {
      binning = .quantile(isJoint ? Imbalance.jointBinCount : Imbalance.binCount)
    }
    if let split { self.split = try SplitRule(parsing: split) } else { self.split = .none }
    let (files, overflow) = clients.multipliedReportingOverflow(by: self.split.parts.count)
    if overflow || files > Self.clientLimit {
      throw .invalidOption(
        "--clients", value: "\(clients)", expected: "at most \(Self.clientLimit) files in all")
    }
    try checkProperty()
    try checkBins()
  }

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
    case .none, .bins: nil
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
    _ request: PartitionRequest, table all: RecordTable, inputs: [Input], tool: String
  ) throws(PartitionError) -> Outcome {
    let clients = request.clients
    let chosen = request.selection.choose(from: all, seed: request.seed)
    let table = chosen.records.count == all.count ? all : all.selecting(chosen.records)
    try MinimumSize.check(
      records: table.count, clients: clients, minimum: table.count == 0 ? 1 : request.minimum)
    let bins =
      try request.choice.map { (choice) throws(PartitionError) in
        try RecordBins(table: table, axes: choice.axes, rule: request.binning, clients: clients)
      } ?? RecordBins(recordCount: table.count)
    let problem = PartitionProblem(
      recordCount: table.count, clients: clients, bins: bins, values: request.values(of: table),
      minimum: request.minimum, seed: request.seed)
    let division = request.method.divide(problem)
    var clientOf = division.clientOf
    let moves = try MinimumSize.repair(
      &clientOf, bins: bins, clients: clients, minimum: request.minimum, seed: request.seed)
    let partOf = request.split.assign(clientOf: clientOf, clients: clients, seed: request.seed)
    let plan = Plan(
      tool: tool, request: request, inputs: inputs, recordCount: table.count,
      outOfRange: chosen.outOfRange, notSampled: chosen.notSampled, lengthUnit: table.lengthUnit ?? .words, bins: bins,
      counts: CountMatrix(
        clients: clients, bins: bins.count, clientOf: clientOf, binOf: bins.binOf),
      proportions: division.proportions,
      amounts: Amounts(table: table, clientOf: clientOf, clients: clients),
      files: files(request, clientOf: clientOf, partOf: partOf),
      imbalance: try Imbalance(table: table, clientOf: clientOf, clients: clients), moves: moves)
    var outcome = Outcome(
      plan: plan, clientOf: [Int32](repeating: -1, count: all.count),
      partOf: [UInt8](repeating: 0, count: all.count))
    for (place, record) in chosen.records.enumerated() {
      outcome.clientOf[record] = clientOf[place]
      outcome.partOf[record] = partOf[place]
    }
    return outcome
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
