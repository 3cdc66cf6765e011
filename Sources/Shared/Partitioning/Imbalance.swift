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
    let candidates = [Axis.length, .sentences, .quality].filter { table.values(of: $0) != nil }
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

  private static func counts(
    of bins: RecordBins, clientOf: [Int32], clients: Int
  ) -> CountMatrix {
    CountMatrix(clients: clients, bins: bins.count, clientOf: clientOf, binOf: bins.binOf)
  }

  private static func measure(
    _ axis: Axis, table: RecordTable, clientOf: [Int32], clients: Int
  ) throws(PartitionError) -> OneAxis {
    let bins = try RecordBins(
      table: table, axes: [axis], rule: .quantile(binCount), clients: clients)
    let counts = counts(of: bins, clientOf: clientOf, clients: clients)
    var distance: Double?
    var range: (Double, Double)?
    if !axis.isLabel, let values = table.values(of: axis), let low = values.min(),
      let high = values.max()
    {
      let scaled = axis.isCount ? values.map { PortableMath.log2(1 + $0) } : values
      distance = WassersteinDistance.mean(values: scaled, clientOf: clientOf, clients: clients)
      range = (low, high)
    }
    return OneAxis(
      axis: axis, binning: bins.binnings[0], counts: counts,
      indices: InformationIndices(counts), distance: distance, range: range)
  }

  private static func measure(
    _ axes: [Axis], table: RecordTable, clientOf: [Int32], clients: Int
  ) throws(PartitionError) -> Joint {
    let rule = BinningRule.quantile(jointBinCount)
    func indices(_ axes: [Axis]) throws(PartitionError) -> InformationIndices {
      let bins = try RecordBins(table: table, axes: axes, rule: rule, clients: clients)
      return InformationIndices(counts(of: bins, clientOf: clientOf, clients: clients))
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
      for (record, client) in clientOf.enumerated() { sums[Int(client)] += value(record) }
      return sums
    }
    let lengths = table.values(of: .length) ?? []
    records = sums { _ in 1 }
    length = sums { lengths[$0] }
    sentences = table.values(of: .sentences).map { values in sums { values[$0] } }
    qualityMass = table.values(of: .quality).map { values in sums { values[$0] * lengths[$0] } }
  }

  package var named: [(name: String, values: [Double])] {
    var result = [("records", records)]
    if !length.isEmpty || records.isEmpty { result.append(("length", length)) }
    if let sentences { result.append(("sentences", sentences)) }
    if let qualityMass { result.append(("quality_mass", qualityMass)) }
    return result
  }
}
