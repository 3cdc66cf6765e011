// SPDX-License-Identifier: Apache-2.0

/// What each client got, counted while records pass.
struct HashTally {
  private let clients: Int
  private let parts: Int
  private(set) var records = 0
  private(set) var outOfRange = 0
  /// Records of each client and part.
  private(set) var ofFile: [Int]
  /// Records of each bin, then client; grows with the values of a label.
  private(set) var ofBin: [[Int]] = []
  private var sums: [[Double]]
  /// Quality times length.
  private var mass: [Double]
  /// Nil once a record lacked the axis, or if there are too many clients.
  private var sketches: [AxisSketch?]
  private var isComplete = [true, true, true, true]

  /// Clients beyond which axes are not measured: a sketch would take more than the records.
  private static let sketchLimit = 10_000

  init(clients: Int, parts: Int) {
    self.clients = clients
    self.parts = parts
    ofFile = [Int](repeating: 0, count: clients * parts)
    sums = Axis.numeric.map { _ in [Double](repeating: 0, count: clients) }
    mass = [Double](repeating: 0, count: clients)
    sketches = Axis.numeric.map {
      clients <= Self.sketchLimit ? AxisSketch(axis: $0, clients: clients) : nil
    }
  }

  mutating func add(_ row: HashRouter.Row) {
    let (client, bin) = (Int(row.client), Int(row.bin))
    if client < 0 {
      outOfRange += 1
      return
    }
    records += 1
    ofFile[client * parts + Int(row.part)] += 1
    while ofBin.count <= bin { ofBin.append([Int](repeating: 0, count: clients)) }
    ofBin[bin][client] += 1
    for axis in 0..<4 where isComplete[axis] {
      let value = row.values[axis]
      if value.isNaN {
        isComplete[axis] = false
        sketches[axis] = nil
        continue
      }
      sums[axis][client] += value
      sketches[axis]?.add(value, client: client)
    }
    if isComplete[0] && isComplete[2] { mass[client] += row.values[0] * row.values[2] }
  }

  var amounts: Amounts {
    Amounts(
      records: (0..<clients).map { client in
        Double(ofFile[client * parts..<(client + 1) * parts].reduce(0, +))
      },
      length: isComplete[0] ? sums[0] : [], sentences: isComplete[1] ? sums[1] : nil,
      qualityMass: isComplete[0] && isComplete[2] ? mass : nil)
  }

  /// - Parameter label: the label's bins and counts, if the property is one.
  func imbalance(label: (binning: Binning, counts: CountMatrix)?) -> Imbalance {
    var axes = records == 0 ? [] : sketches.compactMap { $0?.measured() }
    if let label {
      axes.append(
        Imbalance.OneAxis(
          axis: label.binning.axis, binning: label.binning, counts: label.counts,
          indices: InformationIndices(label.counts), distance: nil, range: nil))
    }
    return Imbalance(
      axes: axes,
      quantities: amounts.named.map {
        Imbalance.Quantity(name: $0.name, indices: QuantityIndices($0.values))
      })
  }
}
