// SPDX-License-Identifier: Apache-2.0

/// How the values of an axis are cut into bins.
package enum BinningRule: Sendable, Equatable {
  /// Bins of about equally many records. Equal values are never split, so there may be fewer bins.
  case quantile(Int)
  /// [0, 1), [1, 2), [2, 4), [4, 8), …
  case log2
  /// Bins end just below each edge; the last one has no end.
  case edges([Double])

  package static let maximumQuantiles = 10_000

  /// - Throws: ``PartitionError/invalidOption(_:value:expected:)``.
  package init(parsing text: String) throws(PartitionError) {
    let error = PartitionError.invalidOption(
      "--bins", value: text, expected: "quantile:N, log2, or edges:A,B,… that increase")
    if text == "log2" {
      self = .log2
    } else if text.hasPrefix("quantile:") {
      guard let count = Int(text.dropFirst(9)), count >= 1, count <= Self.maximumQuantiles else {
        throw error
      }
      self = .quantile(count)
    } else if text.hasPrefix("edges:") {
      var edges: [Double] = []
      for part in text.dropFirst(6).split(separator: ",", omittingEmptySubsequences: false) {
        guard let edge = Double(part), edge.isFinite, edge > edges.last ?? -.infinity else {
          throw error
        }
        edges.append(edge)
      }
      self = .edges(edges)
    } else {
      throw error
    }
  }

  /// As on the command line.
  package var name: String {
    switch self {
    case .quantile(let count): "quantile:\(count)"
    case .log2: "log2"
    case .edges(let edges): "edges:" + edges.map(Self.text).joined(separator: ",")
    }
  }

  private static func text(_ value: Double) -> String {
    Int(exactly: value).map { "\($0)" } ?? "\(value)"
  }
}

/// The bins of one axis.
package struct Binning: Sendable, Equatable {
  package enum Cuts: Sendable, Equatable {
    /// Bin 0 is below the first edge, bin i from edge i - 1 (included) to edge i (excluded).
    case edges([Double])
    /// One bin a value.
    case categories([String])
  }
  package let axis: Axis
  package let cuts: Cuts

  package init(axis: Axis, cuts: Cuts) {
    self.axis = axis
    self.cuts = cuts
  }

  package var count: Int {
    switch cuts {
    case .edges(let edges): edges.count + 1
    case .categories(let names): names.count
    }
  }

  /// A name that depends on nothing but the bin, for its random stream.
  package func name(of bin: Int) -> String {
    switch cuts {
    case .edges: "bin-\(bin)"
    case .categories(let names): "value-\(names[bin])"
    }
  }

  /// Cuts numbers into bins. `sorted` are all values in ascending order.
  package init(axis: Axis, rule: BinningRule, sorted: [Double]) {
    self.init(axis: axis, rule: rule, runs: ValueRuns(of: sorted))
  }

  /// Cuts the values that there are into bins.
  init(axis: Axis, rule: BinningRule, runs: ValueRuns) {
    var edges: [Double] = []
    switch rule {
    case .edges(let given): edges = given
    case .log2:
      var edge = 1.0
      while let largest = runs.values.last, edge <= largest {
        edges.append(edge)
        edge *= 2
      }
    case .quantile(let count):
      for step in 1..<max(1, count) {
        let (product, overflow) = step.multipliedReportingOverflow(by: runs.total)
        if overflow || runs.total == 0 { break }
        let edge = runs.value(at: product / count)
        // An edge at the smallest value, or one that is there already, would make an empty bin.
        if edge > edges.last ?? runs.values[0] { edges.append(edge) }
      }
    }
    self.init(axis: axis, cuts: .edges(edges))
  }

  /// The bin of a number: how many edges are not above it.
  package func bin(of value: Double) -> Int {
    guard case .edges(let edges) = cuts else { return Int(value) }
    var low = 0
    var high = edges.count
    while low < high {
      let middle = (low + high) / 2
      if edges[middle] <= value { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// The bin of every record, by one axis or by two.
package struct RecordBins: Sendable {
  /// The bins of each axis; a joint bin is `first * second.count + second`.
  package let binnings: [Binning]
  package let count: Int
  package private(set) var binOf: [Int32]

  /// No property: everything is in one bin.
  package init(recordCount: Int) {
    binnings = []
    count = 1
    binOf = [Int32](repeating: 0, count: recordCount)
  }

  /// - Parameters:
  ///   - rule: of each numeric axis; a label has a bin a value.
  ///   - axes: axes that the table has.
  /// - Throws: ``PartitionError/tooManyCells(bins:clients:limit:)``.
  package init(
    table: RecordTable, axes: [Axis], rule: (Axis) -> BinningRule, clients: Int
  ) throws(PartitionError) {
    try self.init(binnings: table.binnings(axes, rule: rule, clients: clients))
    binOf = [Int32](repeating: 0, count: table.count)
    for binning in binnings {
      guard let values = table[binning.axis] else { continue }
      binOf.withUnsafeMutableBufferPointer { binOf in
        table.sweep { record in
          binOf[record] =
            binOf[record] * Int32(binning.count) + Int32(binning.bin(of: values[record]))
        }
      }
    }
  }

  /// The same rule for all axes.
  package init(
    table: RecordTable, axes: [Axis], rule: BinningRule, clients: Int
  ) throws(PartitionError) {
    try self.init(table: table, axes: axes, rule: { _ in rule }, clients: clients)
  }

  /// The same bins for some of the records.
  func selecting(_ records: [Int32]) -> RecordBins {
    RecordBins(binnings: binnings, count: count, binOf: records.map { binOf[Int($0)] })
  }

  /// The same bins without the records.
  var withoutRecords: RecordBins { RecordBins(binnings: binnings, count: count, binOf: []) }

  /// Bins of records that are not in memory.
  init(binnings: [Binning]) {
    self.init(binnings: binnings, binOf: [])
  }

  private init(binnings: [Binning], count: Int, binOf: [Int32]) {
    self.binnings = binnings
    self.count = count
    self.binOf = binOf
  }

  /// Groups without a property, such as the clients.
  package init(groupOf: [Int32], groups: Int) {
    binnings = []
    count = groups
    binOf = groupOf
  }

  /// Bins made elsewhere.
  package init(binning: Binning, binOf: [Int32]) {
    self.init(binnings: [binning], binOf: binOf)
  }

  /// Joint bins made elsewhere.
  package init(binnings: [Binning], binOf: [Int32]) {
    self.init(
      binnings: binnings, count: binnings.reduce(1) { $0 * $1.count }, binOf: binOf)
  }

  /// The path of the bin's own random stream.
  package func streamName(of bin: Int) -> String {
    var rest = bin
    var names: [String] = []
    for binning in binnings.reversed() {
      names.append("\(binning.axis.name)/\(binning.name(of: rest % binning.count))")
      rest /= binning.count
    }
    return names.reversed().joined(separator: "+")
  }

  package var sizes: [Int] {
    var sizes = [Int](repeating: 0, count: count)
    for bin in binOf { sizes[Int(bin)] += 1 }
    return sizes
  }

  /// The records of each bin in input order: bin b has `records[starts[b]..<starts[b + 1]]`.
  package func grouped() -> (records: [Int32], starts: [Int]) {
    var starts = [0]
    for size in sizes { starts.append(starts[starts.count - 1] + size) }
    var next = starts
    var records = [Int32](repeating: 0, count: binOf.count)
    for (record, bin) in binOf.enumerated() {
      records[next[Int(bin)]] = Int32(record)
      next[Int(bin)] += 1
    }
    return (records, starts)
  }
}

extension RecordTable {
  /// How the axes are cut into bins; a label has a bin a value.
  ///
  /// - Throws: ``PartitionError/tooManyCells(bins:clients:limit:)``.
  func binnings(
    _ axes: [Axis], rule: (Axis) -> BinningRule, clients: Int
  ) throws(PartitionError) -> [Binning] {
    var binnings: [Binning] = []
    var total = 1
    for axis in axes {
      let binning =
        axis.isLabel
        ? Binning(axis: axis, cuts: .categories(labelNames))
        : Binning(axis: axis, rule: rule(axis), runs: runs(of: axis))
      total *= binning.count
      try CountMatrix.check(bins: total, clients: clients)
      binnings.append(binning)
    }
    return binnings
  }
}
