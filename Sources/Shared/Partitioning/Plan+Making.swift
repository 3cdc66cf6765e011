// SPDX-License-Identifier: Apache-2.0
internal import Randomness

extension Plan {
  /// What a plan is made of before any file is written.
  package struct Outcome: Sendable {
    package let plan: Plan
    /// The client of each record that was read; -1 for those that were not selected.
    package internal(set) var clientOf: [Int32]
    /// The part of the split of each record.
    package internal(set) var partOf: [UInt8]
  }

  /// Divides the records of a finished table. Takes 12 to 24 bytes a record, by the method, and gives
  /// 5 of them back as the outcome.
  ///
  /// - Throws: ``PartitionError``, `StreamError` for temporary files.
  package static func make(
    _ asked: PartitionRequest, table all: RecordTable, inputs: [Input], tool: String
  ) throws -> Outcome {
    let chosen = asked.selection.choose(from: all, seed: asked.seed)
    var taken = chosen.records
    var table = try taken.map { try all.selecting($0) } ?? all
    let selected = table.count
    try MinimumSize.check(
      records: table.count, clients: max(1, asked.clients),
      minimum: table.count == 0 ? 1 : asked.minimum)
    let isRanked = asked.isRanked
    var bins = isRanked ? RecordBins(recordCount: 0) : try asked.bins(of: table)
    let request = try asked.resolved(binSizes: bins.sizes)
    let clients = request.clients
    var division = try divide(request, table, bins)
    if isRanked { bins = try asked.bins(of: table) }
    let groups = try groups(request, table)
    if let groups {
      division.clientOf = WholeGroups.deal(
        division.clientOf, groups: groups, bins: bins, clients: clients, seed: request.seed)
    }
    if let maximum = request.maximum {
      let kept = MaximumSize.kept(
        division.clientOf, clients: clients, maximum: maximum, seed: request.seed)
      if kept.count < division.clientOf.count {
        (table, bins) = (try table.selecting(kept), bins.selecting(kept))
        taken = kept.map { taken?[Int($0)] ?? $0 }
        division.clientOf = kept.map { division.clientOf[Int($0)] }
      }
    }
    let moves: [MinimumSize.Move]
    if let groups {
      moves = try WholeGroups.repair(
        &division.clientOf, groups: groups, bins: bins, clients: clients, minimum: request.minimum)
    } else {
      moves = try MinimumSize.repair(
        &division.clientOf, bins: bins, clients: clients, minimum: request.minimum,
        seed: request.seed)
    }
    let counts = CountMatrix(
      clients: clients, bins: bins.count, clientOf: division.clientOf, binOf: bins.binOf)
    bins = bins.withoutRecords
    let partOf = request.split.assign(
      clientOf: division.clientOf, clients: clients, groups: inseparable(table),
      seed: request.seed)
    let plan = Plan(
      tool: tool, request: request, inputs: inputs, recordCount: table.count,
      outOfRange: chosen.outOfRange, notSampled: chosen.notSampled,
      overMaximum: selected - table.count, lengthUnit: table.lengthUnit ?? .words, bins: bins,
      counts: counts, proportions: division.proportions,
      amounts: Amounts(table: table, clientOf: division.clientOf, clients: clients),
      files: files(request, clientOf: division.clientOf, partOf: partOf),
      imbalance: try Imbalance(table: table, clientOf: division.clientOf, clients: clients),
      moves: moves)
    return Outcome(plan: plan, division.clientOf, partOf, of: taken, all: all.count)
  }

  private static func divide(
    _ request: PartitionRequest, _ table: RecordTable, _ bins: RecordBins
  ) throws(PartitionError) -> Division {
    try CountMatrix.check(bins: bins.count, clients: request.clients)
    return request.method.divide(
      PartitionProblem(
        recordCount: table.count, clients: request.clients, bins: bins,
        values: request.values(of: table), minimum: request.minimum, seed: request.seed))
  }

  /// The groups that `--group-by` asks for.
  private static func groups(
    _ request: PartitionRequest, _ table: RecordTable
  ) throws(PartitionError) -> RecordGroups? {
    guard let field = request.groupBy, table.hasGroups else { return nil }
    var isUsed = table.count == 0
    table.sweep { if table.group(of: $0) != 0 { isUsed = true } }
    if !isUsed { throw .noGroups(field: field) }
    return RecordGroups(recordCount: table.count, lists: [groupNames(table)])
  }

  private static func groupNames(_ table: RecordTable) -> ((UInt64) -> Void) -> Void {
    { take in table.sweep { take(table.group(of: $0)) } }
  }

  /// Records that have to be in the same part of a split: groups and near-duplicates; nil if none.
  private static func inseparable(_ table: RecordTable) -> RecordGroups? {
    var lists: [((UInt64) -> Void) -> Void] = []
    if table.hasGroups { lists.append(groupNames(table)) }
    if table.hasClusters {
      lists.append { take in table.sweep { take(table.cluster(of: $0)) } }
    }
    return lists.isEmpty ? nil : RecordGroups(recordCount: table.count, lists: lists)
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
          split: name,
          name: fileName(
            client: client, clients: request.clients, split: name, packing: request.packing),
          records: counts[client, part])
      }
    }
  }
}

extension Plan.Outcome {
  /// - Parameter taken: the records that `clientOf` and `partOf` are of; nil for all.
  fileprivate init(
    plan: Plan, _ clientOf: [Int32], _ partOf: [UInt8], of taken: [Int32]?, all: Int
  ) {
    self.init(plan: plan, clientOf: clientOf, partOf: partOf)
    guard let taken else { return }
    self.clientOf = [Int32](repeating: -1, count: all)
    self.partOf = [UInt8](repeating: 0, count: all)
    for (place, record) in taken.enumerated() {
      self.clientOf[Int(record)] = clientOf[place]
      self.partOf[Int(record)] = partOf[place]
    }
  }
}
