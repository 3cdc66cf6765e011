// SPDX-License-Identifier: Apache-2.0
internal import Randomness

/// How uneven a partition came out, along every axis that all records have. Measured on what the
/// clients got, not on what was drawn.
package struct Imbalance: Sendable {
  /// One axis by itself.
  package struct OneAxis: Sendable {
    package let axis: Axis
    package let binning: Binning
    package let counts: CountMatrix
    package let indices: InformationIndices
    /// ``WassersteinDistance``: octaves for counts, on log2(1 + n); points for scores; nil for labels.
    package let distance: Double?
    /// Smallest and largest value; nil for labels.
    package let range: (low: Double, high: Double)?
  }

  /// Two axes together, over the product of coarser bins.
  package struct Joint: Sendable {
    package let axes: [Axis]
    package let indices: InformationIndices
    /// What both axes together tell of the client beyond what each one tells by itself, in bits:
    /// positive if they act together, negative if they tell the same. Bias-corrected, not clamped.
    package let interaction: Double
  }

  /// One amount over the clients.
  package struct Quantity: Sendable {
    package let name: String
    package let indices: QuantityIndices
  }

  package let axes: [OneAxis]
  package let joint: [Joint]
  package let quantities: [Quantity]

  /// Bins of a single axis and, on each side, of a joint one.
  package static let binCount = 10
  package static let jointBinCount = 5

  init(axes: [OneAxis], quantities: [Quantity]) {
    self.axes = axes
    self.quantities = quantities
    joint = []
  }

  /// - Throws: ``PartitionError/tooManyCells(bins:clients:limit:)``.
  package init(table: RecordTable, clientOf: [Int32], clients: Int) throws(PartitionError) {
    var single: [OneAxis] = []
    for axis in table.axes {
      single.append(
        try Self.measure(axis, table: table, clientOf: clientOf, clients: clients))
    }
    axes = single
    var joint: [Joint] = []
    let candidates = [Axis.length, .sentences, .quality].filter { table.has($0) }
    for (index, first) in candidates.enumerated() {
      for second in candidates[(index + 1)...] {
        joint.append(
          try Self.measure(
            [first, second], table: table, clientOf: clientOf, clients: clients))
      }
    }
    self.joint = joint
    quantities = Amounts(table: table, clientOf: clientOf, clients: clients).named.map {
      Quantity(name: $0.name, indices: QuantityIndices($0.values))
    }
  }

  private static func measure(
    _ axis: Axis, table: RecordTable, clientOf: [Int32], clients: Int
  ) throws(PartitionError) -> OneAxis {
    let binnings = try table.binnings(
      [axis], rule: { _ in .quantile(binCount) }, clients: clients)
    let counts = CountMatrix(
      table: table, binnings: binnings, clientOf: clientOf, clients: clients)
    var distance: Double?
    var range: (Double, Double)?
    let runs = table.runs(of: axis)
    if !axis.isLabel, let values = table[axis], let low = runs.values.first,
      let high = runs.values.last
    {
      distance = WassersteinDistance.mean(
        runs: runs, scale: axis.isCount ? { PortableMath.log2(1 + $0) } : { $0 },
        forEach: { take in table.sweep { take($0, values[$0]) } }, clientOf: clientOf,
        clients: clients)
      range = (low, high)
    }
    return OneAxis(
      axis: axis, binning: binnings[0], counts: counts, indices: InformationIndices(counts),
      distance: distance, range: range)
  }

  private static func measure(
    _ axes: [Axis], table: RecordTable, clientOf: [Int32], clients: Int
  ) throws(PartitionError) -> Joint {
    func indices(_ axes: [Axis]) throws(PartitionError) -> InformationIndices {
      let binnings = try table.binnings(
        axes, rule: { _ in .quantile(jointBinCount) }, clients: clients)
      return InformationIndices(
        CountMatrix(table: table, binnings: binnings, clientOf: clientOf, clients: clients))
    }
    let together = try indices(axes)
    var interaction = together.divergence - together.bias
    for axis in axes {
      let alone = try indices([axis])
      interaction -= alone.divergence - alone.bias
    }
    return Joint(axes: axes, indices: together, interaction: interaction)
  }
}

extension CountMatrix {
  /// Counts an assignment of a table's records over the product of bins.
  fileprivate init(
    table: RecordTable, binnings: [Binning], clientOf: [Int32], clients: Int
  ) {
    var counts = CountMatrix(
      clients: clients, bins: binnings.reduce(1) { $0 * $1.count })
    let axes = binnings.compactMap { binning in table[binning.axis].map { (binning, $0) } }
    table.sweep { record in
      var bin = 0
      for (binning, values) in axes { bin = bin * binning.count + binning.bin(of: values[record]) }
      counts[Int(clientOf[record]), bin] += 1
    }
    self = counts
  }
}

/// What each client has of everything that can be summed.
package struct Amounts: Sendable {
  package let records: [Double]
  /// In the table's length unit.
  package let length: [Double]
  package let sentences: [Double]?
  /// Sum of quality times length: the quality-weighted length.
  package let qualityMass: [Double]?

  init(records: [Double], length: [Double], sentences: [Double]?, qualityMass: [Double]?) {
    self.records = records
    self.length = length
    self.sentences = sentences
    self.qualityMass = qualityMass
  }

  package init(table: RecordTable, clientOf: [Int32], clients: Int) {
    func sums(_ value: (Int) -> Double) -> [Double] {
      var sums = [Double](repeating: 0, count: clients)
      table.sweep { record in sums[Int(clientOf[record])] += value(record) }
      return sums
    }
    let lengths = table[.length]
    records = sums { _ in 1 }
    length = sums { lengths?[$0] ?? 0 }
    sentences = table[.sentences].map { values in sums { values[$0] } }
    qualityMass = table[.quality].map { values in sums { values[$0] * (lengths?[$0] ?? 0) } }
  }

  package var named: [(name: String, values: [Double])] {
    var result = [("records", records)]
    if !length.isEmpty || records.isEmpty { result.append(("length", length)) }
    if let sentences { result.append(("sentences", sentences)) }
    if let qualityMass { result.append(("quality_mass", qualityMass)) }
    return result
  }
}
