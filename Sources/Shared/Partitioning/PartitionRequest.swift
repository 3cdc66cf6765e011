// SPDX-License-Identifier: Apache-2.0
package import Randomness
package import Streams

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
  /// How shards are packed; nil leaves them plain.
  package let packing: Packing?
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
    participation: Participation? = nil, compress: String? = nil, usesHash: Bool = false, seed: Seed
  ) throws(PartitionError) {
    self.methodName = methodName
    self.alpha = alpha
    self.minimum = minimum
    self.maximum = maximum
    self.selection = selection
    self.groupBy = groupBy
    self.participation = participation
    self.usesHash = usesHash
    packing = try compress.map { (name) throws(PartitionError) in
      guard let packing = Packing(rawValue: name) else {
        throw .invalidOption(
          "--compress", value: name,
          expected: Packing.allCases.map(\.rawValue).joined(separator: " or "))
      }
      return packing
    }
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

  /// Whether the method ranks records or shares an amount out, and needs no bins for that.
  var isRanked: Bool {
    switch type(of: method).need {
    case .none, .bins, .labels, .pair, .anything: false
    case .ranking, .amount: true
    }
  }

  /// The numbers that the method ranks or shares out; nil if it does neither.
  func values(of table: RecordTable) -> RankedValues? {
    isRanked ? choice?.axes.first.flatMap { table.ranked(by: $0) } : nil
  }

  /// The bins that records are divided by.
  func bins(of table: RecordTable) throws(PartitionError) -> RecordBins {
    guard let choice else { return RecordBins(recordCount: table.count) }
    return try RecordBins(
      table: table, axes: choice.axes, rule: rule, clients: max(1, clients))
  }
}
