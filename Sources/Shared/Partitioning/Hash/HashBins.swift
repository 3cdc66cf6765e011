// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// From a record's values to its bin and from there to the clients' shares, without having seen any
/// other record: what one-pass assignment needs to know beforehand.
struct HashBins: Sendable {
  /// One axis: its edges or values are known, or a label's values are met on the way.
  enum Part: Sendable {
    case fixed(Binning)
    case open(field: String)

    /// 0 if it is open.
    var count: Int { if case .fixed(let binning) = self { binning.count } else { 0 } }
  }
  let parts: [Part]
  /// A row a bin, or one row for all; empty if the label's values are met on the way.
  let shares: [[Double]]
  /// The shares of a label that a plan does not know.
  let otherShares: [Double]?

  /// Bins of doublings reach up to here.
  private static let octaves = 40

  /// - Throws: ``PartitionError`` if the method or its bins need to see all records first.
  init(_ request: PartitionRequest) throws(PartitionError) {
    let axes = request.choice?.axes ?? []
    if let plan = (request.method as? LikePlan)?.plan {
      parts = plan.axes.map { .fixed($0) }
      shares = plan.sharesOfBins
      otherShares = plan.sharesOfAll
      return
    }
    otherShares = nil
    var parts: [Part] = []
    for axis in axes where type(of: request.method).need != .none {
      if case .label(let field) = axis {
        guard axes.count == 1 else { throw Self.needsPlan("--by joint with a label") }
        parts.append(.open(field: field))
      } else {
        switch request.rule(for: axis) {
        case .quantile: throw Self.needsPlan("--bins quantile")
        case .edges(let edges): parts.append(.fixed(Binning(axis: axis, cuts: .edges(edges))))
        case .log2:
          let edges = (0...Self.octaves).map { Double(sign: .plus, exponent: $0, significand: 1) }
          parts.append(.fixed(Binning(axis: axis, cuts: .edges(edges))))
        }
      }
    }
    self.parts = parts
    var rows: [[Double]] = []
    if !parts.contains(where: { $0.count == 0 }) {
      let bins = RecordBins(binnings: Self.binnings(parts))
      try CountMatrix.check(bins: bins.count, clients: request.clients)
      for bin in 0..<bins.count {
        let name = parts.isEmpty ? "" : bins.streamName(of: bin)
        rows.append(try Self.row(request, streamName: name))
      }
    } else {
      _ = try Self.row(request, streamName: "")
    }
    shares = rows
  }

  static func row(
    _ request: PartitionRequest, streamName: String
  ) throws(PartitionError) -> [Double] {
    guard
      let row = request.method.shares(
        ofBin: streamName, clients: request.clients, seed: request.seed)
    else { throw needsPlan("--method \(request.methodName)") }
    return row
  }

  private static func needsPlan(_ what: String) -> PartitionError {
    .needsPlan(what)
  }

  static func binnings(_ parts: [Part]) -> [Binning] {
    parts.compactMap { if case .fixed(let binning) = $0 { binning } else { nil } }
  }

  /// The shares of a bin's clients as limits of a 64-bit number: client k has what lies below the
  /// k-th limit and not below the one before.
  static func limits(_ shares: [Double]) -> [UInt64] {
    let total = shares.reduce(0, +)
    var sum = 0.0
    var limits = shares.map { share in
      sum += share
      let part = total > 0 ? sum / total : 1
      return part >= 1 ? UInt64.max : UInt64(part * 0x1p64)
    }
    // Rounding must not leave a gap at the top, nor give it to a client that has no share.
    if let last = shares.lastIndex(where: { $0 > 0 }) {
      for client in last..<limits.count { limits[client] = .max }
    }
    return limits
  }

  /// The client whose part of the range `number` lies in.
  static func client(_ number: UInt64, _ limits: [UInt64]) -> Int {
    var (low, high) = (0, limits.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if number < limits[middle] { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

extension PlanFile {
  /// The clients' shares of each bin: those that were drawn if the plan was made in one pass, so
  /// that more records of the same kind go where they would have gone; else those that came out.
  var sharesOfBins: [[Double]] {
    if assign == "hash", let proportions {
      return proportions.count == counts.bins
        ? proportions : [[Double]](repeating: proportions[0], count: counts.bins)
    }
    return (0..<counts.bins).map { bin in
      let row = (0..<counts.clients).map { Double(counts[$0, bin]) }
      let total = row.reduce(0, +)
      return total > 0 ? row.map { $0 / total } : sharesOfAll
    }
  }

  var sharesOfAll: [Double] {
    let totals = counts.clientTotals.map(Double.init)
    let total = totals.reduce(0, +)
    return totals.map { total > 0 ? $0 / total : 1 / Double(totals.count) }
  }
}
