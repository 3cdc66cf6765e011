// SPDX-License-Identifier: Apache-2.0
internal import Streams

/// What another partition can take over from a plan's file.
package struct PlanFile: Sendable {
  package let path: String
  package let seed: UInt64
  package let method: String
  /// Nil if the plan has no property.
  package let by: String?
  package let binning: BinningRule
  package let assign: String
  package let split: SplitRule
  /// Nil if the plan does not look at lengths.
  package let lengthUnit: LengthUnit?
  /// The bins of each property; none without one.
  package let axes: [Binning]
  /// Records of each client in each bin.
  package let counts: CountMatrix
  /// A row a bin, or one row; nil if nothing was drawn.
  package let proportions: [[Double]]?

  /// - Throws: ``PartitionError/unreadablePlan(path:reason:)``.
  package init(path: String) throws(PartitionError) {
    let bytes: [UInt8]
    do {
      bytes = try InputSource(path: path).readAll()
    } catch {
      throw .unreadablePlan(path: path, reason: error.message)
    }
    guard let value = try? JSONValue(parsing: bytes) else {
      throw .unreadablePlan(path: path, reason: "expected one JSON object, as cl-partition writes it")
    }
    try self.init(value, path: path)
  }

  private init(_ plan: JSONValue, path: String) throws(PartitionError) {
    func wrong(_ what: String) -> PartitionError { .unreadablePlan(path: path, reason: what) }
    guard plan["type"]?.text == "plan", plan["v"]?.int == Plan.version else {
      throw wrong("expected a plan of version \(Plan.version)")
    }
    guard let method = plan["method"]?.text, let parameters = plan["parameters"],
      let rule = parameters["bins"]?.text, let bins = plan["bins"],
      let axisValues = bins["axes"]?.elements, let rows = bins["counts"]?.elements
    else { throw wrong("expected method, parameters.bins and bins") }
    self.path = path
    self.method = method
    seed = PlanFile.seed(plan["seed"])
    by = plan["by"]?.text
    binning = try BinningRule(parsing: rule)
    assign = parameters["assign"]?.text ?? "exact"
    lengthUnit = plan["length_unit"]?.text.flatMap(LengthUnit.init(rawValue:))
    if let parts = parameters["split"]?.object {
      let text = parts.members.map { "\($0.key)=\($0.value.number ?? 0)" }.joined(separator: ",")
      split = try SplitRule(parsing: text)
    } else {
      split = .none
    }
    var axes: [Binning] = []
    for axis in axisValues {
      guard let binning = Binning(axis) else { throw wrong("bins.axes: expected edges or values") }
      axes.append(binning)
    }
    self.axes = axes
    let width = axes.reduce(1) { $0.multipliedReportingOverflow(by: $1.count).partialValue }
    guard let table = PlanFile.numbers(rows, width: width), !table.isEmpty,
      table.allSatisfy({ $0.allSatisfy { $0 >= 0 } }), table.joined().reduce(0, +) <= 1e15
    else { throw wrong("bins.counts: expected a row a client, a count a bin") }
    counts = CountMatrix(table.map { $0.map { Int($0) } })
    if let rows = bins["proportions"]?.elements {
      guard let shares = PlanFile.numbers(rows, width: counts.clients),
        shares.count == width || shares.count == 1,
        shares.allSatisfy({ $0.allSatisfy { $0 >= 0 && $0 <= 1 } })
      else { throw wrong("bins.proportions: expected a row a bin, a share a client") }
      proportions = shares
    } else {
      proportions = nil
    }
  }

  /// Seeds beyond Int's range are read as doubles by JSON; such a plan is made again, not continued.
  private static func seed(_ value: JSONValue?) -> UInt64 {
    value?.int.flatMap { UInt64(exactly: $0) } ?? 0
  }

  private static func numbers(_ rows: [JSONValue], width: Int) -> [[Double]]? {
    var result: [[Double]] = []
    for row in rows {
      guard let values = row.elements, values.count == width else { return nil }
      let numbers = values.compactMap(\.number)
      guard numbers.count == width, numbers.allSatisfy(\.isFinite) else { return nil }
      result.append(numbers)
    }
    return result
  }
}

extension Binning {
  /// Reads what a plan says of one axis.
  fileprivate init?(_ value: JSONValue) {
    guard let name = value["axis"]?.text, let choice = try? PropertyChoice(parsing: name),
      choice.axes.count == 1
    else { return nil }
    if let edges = value["edges"]?.elements {
      let numbers = edges.compactMap(\.number)
      guard numbers.count == edges.count, !choice.axes[0].isLabel,
        zip(numbers, numbers.dropFirst()).allSatisfy({ $0 < $1 })
      else { return nil }
      self.init(axis: choice.axes[0], cuts: .edges(numbers))
    } else if let names = value["values"]?.elements {
      let texts = names.compactMap(\.text)
      guard texts.count == names.count, choice.axes[0].isLabel else { return nil }
      self.init(axis: choice.axes[0], cuts: .categories(texts))
    } else {
      return nil
    }
  }
}
